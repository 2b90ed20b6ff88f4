"""Selection of the frames that predict frame t, shared by training and restoration."""

from __future__ import annotations

from collections.abc import Callable

from decrappify._common.checks import short
from decrappify.errors import InputError

_MOST_FRAMES = 101


def check_n_frames(n_frames: int) -> int:
    """Return `n_frames` if it is a valid window length (odd, at least 1); raise InputError otherwise."""
    if isinstance(n_frames, bool) or not isinstance(n_frames, int) or n_frames < 1 or n_frames % 2 == 0:
        raise InputError(f"n_frames is {short(n_frames)}, expected an odd integer such as 1, 3 or 5")
    if n_frames > _MOST_FRAMES:
        raise InputError(f"n_frames is {short(n_frames)}, expected at most {_MOST_FRAMES}")
    return n_frames


def reflect(index: int, length: int) -> int:
    """Reflect `index` into ``0 .. length-1`` without repeating the edge frame (numpy's ``mode="reflect"``).

    >>> [reflect(i, 4) for i in range(-3, 7)]
    [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    """
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index %= period
    return min(index, period - index)


def window_indices(t: int, movie_length: int, n_frames: int) -> tuple[int, ...]:
    """Return the indices of the `n_frames` frames that predict frame `t` of a movie of `movie_length` frames.

    The window is centered on `t`; past the first and last frame it is reflected: ``t+1`` substitutes for the missing
    neighbor ``t-1`` of the first frame.

    Parameters
    ----------
    t : int
        Frame to predict, ``0 <= t < movie_length``.
    movie_length : int
        Frames in the movie (T).
    n_frames : int
        Window length, odd.

    Returns
    -------
    tuple of int
        `n_frames` indices, the middle one equal to `t`.

    Raises
    ------
    InputError
        If `n_frames` is even, `t` is outside the movie, or the movie has one frame and the window several.

    Examples
    --------
    >>> window_indices(0, 10, 3), window_indices(5, 10, 5), window_indices(9, 10, 3)
    ((1, 0, 1), (3, 4, 5, 6, 7), (8, 9, 8))
    """
    check_n_frames(n_frames)
    if not 0 <= t < movie_length:
        raise InputError(f"frame {t} is outside the movie, which has frames 0 to {movie_length - 1}")
    if movie_length == 1 and n_frames > 1:
        raise InputError(
            f"one still image cannot fill a window of {n_frames} frames",
            advice="use a model with n_frames=1, such as 'fluorescence-still'",
            option="model",
        )
    half = n_frames // 2
    return tuple(reflect(t + step, movie_length) for step in range(-half, half + 1))


def recorded_window(t: int, movie_length: int, n_frames: int, is_usable: Callable[[int], bool]) -> tuple[int, ...]:
    """Return `window_indices` with each unusable neighbor replaced by a usable frame.

    A neighbor that was never recorded (or is a flash) is replaced by its mirror frame on the other side of `t`, as past
    the ends of the movie; if that is unusable too, by the usable frame nearest to it within one window length of `t`,
    and by `t` itself if there is none. The middle of the window is always `t`.

    Parameters
    ----------
    t, movie_length, n_frames : int
        As for `window_indices`.
    is_usable : callable
        Returns whether frame i can be a neighbor; called beyond the window of `t` only if a frame is unusable.

    Returns
    -------
    tuple of int
        `n_frames` indices, the middle one equal to `t`.

    Examples
    --------
    >>> recorded_window(5, 10, 3, lambda i: i != 6), recorded_window(5, 10, 5, lambda i: i not in (4, 6))
    ((4, 5, 4), (3, 3, 5, 7, 7))
    """
    wanted = window_indices(t, movie_length, n_frames)
    return tuple(i if i == t or is_usable(i) else _stand_in(i, t, movie_length, n_frames, is_usable) for i in wanted)


def _stand_in(i: int, t: int, movie_length: int, n_frames: int, is_usable: Callable[[int], bool]) -> int:
    mirror = reflect(2 * t - i, movie_length)
    if mirror != t and is_usable(mirror):
        return mirror
    near = range(max(0, t - n_frames), min(movie_length, t + n_frames + 1))
    for other in sorted(near, key=lambda other: (abs(other - i), abs(other - t), other)):
        if other not in (t, i, mirror) and is_usable(other):
            return other
    return t
