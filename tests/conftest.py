"""Files that several tests read and that take seconds to make."""

import pytest
from model_folders import write_bfm, write_ict


@pytest.fixture(scope="session")
def ict_folder(tmp_path_factory):
    """A folder `FaceXModel` of full size; tests must not change it."""
    path = tmp_path_factory.mktemp("ict") / "FaceXModel"
    write_ict(path)
    return path


@pytest.fixture(scope="session")
def bfm_file(tmp_path_factory):
    """A `.mat` in Deep3D's layout; tests must not change it."""
    return write_bfm(tmp_path_factory.mktemp("bfm") / "BFM_model_front.mat")
