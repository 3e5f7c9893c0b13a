/* The two scripts that the agent serves. */
#ifndef DEVICE_WELL_KNOWN_SCRIPTS_H
#define DEVICE_WELL_KNOWN_SCRIPTS_H

/* For the plain-HTTP page: see device/way_in.c. */
extern const char well_known_way_in_js[];
/* For a maker's own page: the element <latchkey-status>. */
extern const char well_known_embed_js[];

#endif
