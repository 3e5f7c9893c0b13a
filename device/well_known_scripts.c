/* Scripts hold no text for people: what they show was written by the agent, in the language
 * in use, and is only uncovered.
 *
 * way-in.js asks for the ping by the trusted name without CORS: the response can't be read,
 * but that it came says that the name was found and its certificate accepted. It leaves only
 * then, by replacing the page, so that "back" does not come here. When it did not come, the
 * same question by plain HTTP tells whether the name is found at all.
 *
 * embed.js works under the strictest policy that allows it to be loaded: no inline style
 * (a constructed sheet), no HTML from strings (the fragment is parsed as a document). */
#include "device/well_known_scripts.h"

const char well_known_way_in_js[] =
    "\"use strict\";(function(){\n"
    "var main=document.getElementById(\"content\"),name=main.dataset.name,"
    "port=main.dataset.port;\n"
    "function show(id,on){var e=document.getElementById(id);if(e)e.hidden=!on;}\n"
    "if(!name){setTimeout(function(){location.reload();},5000);return;}\n"
    "var https=\"https://\"+name+port,http=\"http://\"+name+"
    "(location.port?\":\"+location.port:\"\");\n"
    "function reach(origin){\n"
    "  var stop=new AbortController(),timer=setTimeout(function(){stop.abort();},6000);\n"
    "  return fetch(origin+\"/.well-known/latchkey/ping?\"+Date.now(),{mode:\"no-cors\","
    "cache:\"no-store\",credentials:\"omit\",signal:stop.signal}).then(function(){"
    "clearTimeout(timer);return true;},function(){clearTimeout(timer);return false;});\n"
    "}\n"
    "function failed(reason){show(\"trying\",false);show(\"failed\",true);"
    "show(reason,true);show(\"secure\",false);show(\"choices\",true);"
    "document.getElementById(\"failed\").focus();}\n"
    "show(\"choices\",false);show(\"trying\",true);\n"
    "reach(https).then(function(ok){\n"
    "  if(ok){location.replace(https+location.pathname+location.search+location.hash);"
    "return;}\n"
    "  reach(http).then(function(found){failed(found?\"untrusted\":\"unfound\");});\n"
    "});\n"
    "})();\n";

const char well_known_embed_js[] =
    "\"use strict\";(function(){\n"
    "var base=new URL(\".\",document.currentScript.src);\n"
    "var css=\":host{display:block}section{border:1px solid currentColor;border-radius:"
    ".6rem;padding:1rem}h2{font-size:1.1rem;margin:0 0 .3rem}p{margin:.3rem 0}"
    ".latchkey-trusted h2::before{content:'\\\\2713\\\\00a0'}"
    ".latchkey-fallback h2::before{content:'\\\\26a0\\\\00a0'}"
    "a{overflow-wrap:anywhere}\";\n"
    "customElements.define(\"latchkey-status\",class extends HTMLElement{\n"
    "  connectedCallback(){\n"
    "    var root=this.shadowRoot||this.attachShadow({mode:\"open\"}),me=this;\n"
    "    var sheet=new CSSStyleSheet();sheet.replaceSync(css);"
    "root.adoptedStyleSheets=[sheet];\n"
    "    var request=new XMLHttpRequest();\n"
    "    request.open(\"GET\",new URL(\"embed.html\",base));"
    "request.responseType=\"document\";\n"
    "    request.onload=function(){if(request.status===200&&request.response){"
    "root.replaceChildren(...request.response.body.childNodes);"
    "me.dispatchEvent(new CustomEvent(\"latchkey-ready\"));}};\n"
    "    request.send();\n"
    "  }\n"
    "});\n"
    "})();\n";
