# SPDX-License-Identifier: Apache-2.0
"""What JSON that was read must look like, so that nothing that uses it stumbles over it.

A shape is a type, a function of the value, a set of words, {key: shape} of members that must be there, [shape] of a list
of any length, (shape, ...) of a list of that length, or Each(shape) of an object's values.
"""
import math


def number(value):
    """One that can be computed with."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def count(value):
    return number(value) and isinstance(value, int)


class Each:
    def __init__(self, shape):
        self.shape = shape


class Maybe:
    """null, or that."""
    def __init__(self, shape):
        self.shape = shape


def wrong(value, shape, name=""):
    """The name of the first member that isn't as it should be, None where all are."""
    if isinstance(shape, Maybe):
        return None if value is None else wrong(value, shape.shape, name)
    if isinstance(shape, type):
        return None if isinstance(value, shape) else name
    if isinstance(shape, set):
        return None if isinstance(value, str) and value in shape else name
    if callable(shape):
        return None if shape(value) else name
    members = parts(value, shape)
    if members is None:
        return name
    for key, inner in members:
        inside = f"{name}.{key}" if name else str(key)
        if isinstance(value, dict) and key not in value:
            return inside
        found = wrong(value[key], inner, inside)
        if found is not None:
            return found
    return None


def parts(value, shape):
    """[(key, its shape)], or None where the value is of another kind."""
    if isinstance(shape, list):
        return [(at, shape[0]) for at in range(len(value))] if isinstance(value, list) else None
    if isinstance(shape, tuple):
        return list(enumerate(shape)) if isinstance(value, list) and len(value) == len(shape) else None
    if not isinstance(value, dict):
        return None
    return [(key, shape.shape) for key in value] if isinstance(shape, Each) else list(shape.items())
