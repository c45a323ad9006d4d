from __future__ import annotations

import gc
import time
import weakref

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import pixel_route
from dashboard.pixel_route import PixelSource, routes
from dashboard.tiles import TILE, WHOLE, Raster, decode, encode


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 1), (9, 4, 3)])
@pytest.mark.parametrize("top", [1, 255, 65535])
def test_a_tile_comes_back_bit_by_bit(shape: tuple[int, int, int], top: int) -> None:
    tile = np.random.default_rng(0).integers(0, top, shape, np.uint16, endpoint=True)
    assert np.array_equal(decode(encode(tile), shape), tile)


def test_tiles_cover_a_large_picture_at_every_level() -> None:
    values = np.random.default_rng(1).integers(0, 65536, (1300, 1100)).astype(np.uint16)
    raster = Raster(values)
    assert raster.tile == TILE and raster.levels == 3
    for level in range(raster.levels):
        step = 2**level
        height, width = -(-1300 // step), -(-1100 // step)
        rows = [
            np.hstack([raster.cut(level, c, r)[..., 0] for c in range(-(-width // TILE))])
            for r in range(-(-height // TILE))
        ]
        picture = np.vstack(rows)
        assert picture.shape == (height, width)
        y, x = 100, 200
        mean = values[y * step : (y + 1) * step, x * step : (x + 1) * step].mean()
        assert picture[y, x] == pytest.approx(mean, abs=0.51)


def test_a_small_picture_is_one_tile_and_float_pixels_are_16_bits() -> None:
    pixels = np.linspace(0, 1, WHOLE * 2, dtype=np.float32).reshape(2, WHOLE)
    raster = Raster(pixels)
    assert raster.tile == WHOLE and raster.levels == 1
    cut = raster.cut(0, 0, 0)[..., 0]
    assert cut.min() == 0 and cut.max() == 65535 and np.abs(cut / 65535 - pixels).max() < 1e-5


@pytest.mark.parametrize("place", [(3, 0, 0), (-1, 0, 0), (0, 9, 0), (0, 0, 9), (0, -1, 0)])
def test_no_tile_outside_the_picture(place: tuple[int, int, int]) -> None:
    with pytest.raises(IndexError):
        Raster(np.zeros((1300, 1100), np.uint8)).cut(*place)


def test_pixels_are_served_while_somebody_holds_the_scene_and_to_no_other_site() -> None:
    client = TestClient(Starlette(routes=list(routes())))
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    source = PixelSource(b"scene", (Raster(values),))
    address = f"/pixels/{source.token}"
    answer = client.get(address)
    assert answer.content == b"scene" and answer.headers["cache-control"] == "no-store"
    assert np.array_equal(decode(client.get(f"{address}/0/0/0/0").content, (3, 4, 1))[..., 0], values)
    assert client.get(f"{address}/0/0/0/0").content == source.tile(0, 0, 0, 0)
    for missing in (f"{address}/1/0/0/0", f"{address}/0/1/0/0", f"{address}/0/0/1/0", "/pixels/guess", f"{address}x"):
        assert client.get(missing).status_code == 404
    assert client.get(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    gc.disable()  # nothing waits for a collection, neither after a tile nor after one that there is not
    try:
        held = weakref.ref(source)
        del source
        end = time.monotonic() + 30
        while held() is not None and time.monotonic() < end:  # a worker thread lets go of its last call a moment later
            time.sleep(0.01)
        assert held() is None
    finally:
        gc.enable()
    assert client.get(address).status_code == 404 and client.get(f"{address}/0/0/0/0").status_code == 404


def test_kept_tiles_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_route, "_KEPT_BYTES", 5000)
    noise = np.random.default_rng(0).integers(0, 65536, (40, 40)).astype(np.uint16)
    source = PixelSource(b"", tuple(Raster(noise + i) for i in range(4)))
    first = [source.tile(i, 0, 0, 0) for i in range(4)]
    assert len(source._kept) == 1 and [source.tile(i, 0, 0, 0) for i in range(4)] == first
