"""What HDF5 files of dsnet are made of: plain datasets in the file itself, none larger than it."""

from __future__ import annotations

import h5py

DEPTH = 3  # of a dataset in the groups, at most


def check_plain(file: h5py.File, size: int) -> None:
    """Raise ValueError if a file of ``size`` bytes has anything else, such as links to other files.

    Nothing of the datasets is read. Afterwards they take as much memory as the file at most.
    """
    waiting: list[tuple[h5py.Group, int]] = [(file, 1)]
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to another place")
            item = group[name]
            if isinstance(item, h5py.Group) and depth < DEPTH:
                waiting.append((item, depth + 1))
            elif not isinstance(item, h5py.Dataset):
                raise ValueError(f"{name} is no dataset")
            elif item.external or item.is_virtual or item.chunks:
                raise ValueError(f"{name} is not stored as it is in the file")
            elif item.nbytes > size:
                raise ValueError(f"{name} is said to have {item.nbytes} bytes, the file has {size}")
