// SPDX-License-Identifier: MIT
//
// The annotations are public, because a user's lock and data need them, too; this is where the
// library's own headers find them.

#pragma once

#include <ringo/thread_annotations.h>  // IWYU pragma: export
