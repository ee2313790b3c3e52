/* The one place that says which sfzb this is. */
#ifndef SFZB_BASE_VERSION_H
#define SFZB_BASE_VERSION_H

#define SFZB_VERSION "0.1.0"
#define SFZB_USER_AGENT "sfzb/" SFZB_VERSION

#endif
