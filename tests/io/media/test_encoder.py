from __future__ import annotations

import pytest

from decrappify.errors import OutputError
from decrappify.io.media.encoder import check_written
from decrappify.io.media.video_writer import write_video
from decrappify.movie import Movie

from .videos import smooth_movie


def test_check_written_raises_for_missing_frames_and_a_truncated_file(tmp_path):
    path = write_video(Movie.from_array(smooth_movie(3, 16, 16)), tmp_path / "cells.mp4")
    check_written(path, 3, path)
    with pytest.raises(OutputError, match=r"cells\.mp4: only 3 of 4 frames are in the written file"):
        check_written(path, 4, path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(OutputError, match="only 0 of 3 frames"):
        check_written(path, 3, path)
