/* The table behind device/diagnosis.h: for each check and each code its words. */
#ifndef DEVICE_DIAGNOSIS_TEXTS_H
#define DEVICE_DIAGNOSIS_TEXTS_H

#include "device/diagnosis.h"

struct diagnosis_texts_check {
    const char *word;
    const char *title; /* a question */
};

struct diagnosis_texts_code {
    enum diagnosis_check check; /* DIAGNOSIS_CHECK_COUNT: any */
    enum diagnosis_level level;
    const char *word;
    const char *text;
    const char *mend; /* "" : none needed */
};

/* Constants; never NULL. */
const struct diagnosis_texts_check *diagnosis_texts_check(enum diagnosis_check check);
const struct diagnosis_texts_code *diagnosis_texts_code(enum diagnosis_code code);

#endif
