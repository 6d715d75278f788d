"""Releases of MARS, torchvision and mmaction2 by name."""

import re

import pytest

from dsnet import vision
from dsnet.releases import MMACTION2, PretrainedError, locate, published


def test_a_release_is_found_by_name_and_a_file_by_its_path(tmp_path):
    (tmp_path / "Flow_Kinetics_64f.pth").touch()
    expected = str(tmp_path / "Flow_Kinetics_64f.pth")
    assert locate("Flow_Kinetics_64f", 16, "ucf101", tmp_path) == expected
    assert locate("Flow_Kinetics_{clip_length}f", 64, "ucf101", tmp_path) == expected
    assert locate(expected.replace("64", "{clip_length}"), 64, "ucf101", "elsewhere") == expected


def test_the_data_set_stands_in_a_name(tmp_path):
    (tmp_path / "MARS_HMDB51_16f.pth").touch()
    expected = str(tmp_path / "MARS_HMDB51_16f.pth")
    assert locate("MARS_{dataset}_{clip_length}f", 16, "hmdb51", tmp_path) == expected
    with pytest.raises(PretrainedError, match=r"Get MARS_UCF101_16f\.pth from"):
        locate("MARS_{dataset}_{clip_length}f", 16, "ucf101", tmp_path)


def test_a_release_that_is_missing_comes_with_instructions(tmp_path):
    with pytest.raises(PretrainedError, match=r"Get RGB_UCF101_16f\.pth from .*craston/MARS.* put"):
        locate("RGB_UCF101_{clip_length}f", 16, "ucf101", tmp_path)
    with pytest.raises(PretrainedError, match=r"there is no file RGB_Kinetic_16f .* named like"):
        locate("RGB_Kinetic_16f", 16, "ucf101", tmp_path)


def test_a_release_of_torchvision_is_found_or_can_be_fetched(tmp_path):
    with pytest.raises(PretrainedError, match="`dsnet fetch mc3_18_Kinetics400` puts it at"):
        locate("mc3_18_Kinetics400", 16, "ucf101", tmp_path)
    (tmp_path / "mc3_18_Kinetics400.pth").touch()
    expected = str(tmp_path / "mc3_18_Kinetics400.pth")
    assert locate("mc3_18_Kinetics400", 16, "ucf101", tmp_path) == expected


def test_addresses_and_hashes_are_torchvisions():
    weights = vision.module("models.video").R2Plus1D_18_Weights.KINETICS400_V1
    address, digits = published("r2plus1d_18_Kinetics400")
    assert address == weights.url
    assert address.endswith(f"/r2plus1d_18-{digits}.pth")
    assert int(digits, 16) > 0


@pytest.mark.parametrize("name", MMACTION2)
def test_a_release_of_mmaction2_can_be_fetched_and_its_name_has_its_hash(tmp_path, name):
    with pytest.raises(PretrainedError, match=f"`dsnet fetch {name}` puts it at"):
        locate(name, 8, "ucf101", tmp_path)
    address, digits = published(name)
    assert re.fullmatch(r"[0-9a-f]{8}", digits)
    assert address.endswith(f"-{digits}.pth")
    assert ("_flow_" in address) == ("_Flow_" in name)
