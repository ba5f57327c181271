// SPDX-License-Identifier: Apache-2.0
// What a user may call an image, and what that means.
#pragma once

#include <stdbool.h>

struct err;

/*
 * Forms, in the order they are tried:
 *
 *   oci:PATH[:TAG]            an OCI layout folder
 *   docker://NAME             a registry; NAME as below
 *   docker-archive:FILE[:NAME[:TAG]], oci-archive:FILE[:TAG], containers-storage:NAME
 *   /PATH[:TAG] ./PATH ../PATH . ..    an OCI layout folder
 *   A/PATH[:TAG]              the same, if that exists; a file is refused when it's opened
 *   NAME                      a registry: [HOST[:PORT]/]PATH[:TAG][@DIGEST]
 *
 * A NAME without a host gets docker.io, and one of a single word docker.io/library, as elsewhere.
 * Without a tag or digest the tag is latest; with both the digest decides. A word without a slash
 * is never looked for as a folder: a folder that happens to be called "alpine" doesn't hide the
 * image of that name.
 */

enum reference_kind {
	REFERENCE_LAYOUT,   /* an OCI layout folder, read directly */
	REFERENCE_REGISTRY, /* fetched by skopeo, identified by its name */
	REFERENCE_ARCHIVE,  /* unpacked by skopeo, identified by name and state of the file */
	REFERENCE_STORAGE,  /* copied by skopeo from another store */
};

/* What a registry takes for a name, a tag and so on: longer ones can't exist. */
#define REFERENCE_MAX 4096

/*
 * struct reference - a parsed reference; all strings owned
 * @text:	as the user gave it
 * @source:	canonical, in skopeo's words ("docker://docker.io/library/alpine:3.19"); the path
 *		of an archive is absolute. For a layout "oci:" and the path.
 * @path:	of the layout folder or archive file, else NULL
 * @tag:	of a layout, else NULL
 */
struct reference {
	enum reference_kind kind;
	char *text;
	char *source;
	char *path;
	char *tag;
};

/*
 * reference_parse() - understand @text
 * @text:	untrusted; relative paths mean the current working folder
 *
 * Return: 0; -EINVAL if it is none of the forms; -ENOMEM. On success reference_fini() frees;
 * it is harmless on a zeroed struct.
 */
int reference_parse(const char *text, struct reference *ret_reference, struct err *err);
void reference_fini(struct reference *reference);
