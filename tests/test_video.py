"""Films: warm starts are quicker and steadier than cold fits, cuts are noticed, bad files are sentences."""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction

import numpy as np
import pytest
import torch

import gsjbu
from examples.make_inputs import moving_scene
from gsjbu import video
from gsjbu.errors import GsjbuError
from gsjbu.io import films
from gsjbu.io.pictures import to_uint8


def drifting(frames: int, height: int = 60, width: int = 96):
    """Pictures that differ a little from one to the next."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for number in range(frames):
        at = x + 0.5 * number
        yield torch.stack([0.5 + 0.5 * torch.sin(at / 5), ((at + y) % 40) / 40, (y > 30).float()]).contiguous()


def measured(kernels):
    steadiness = video.TemporalMetrics()
    for kernel in kernels:
        steadiness.add(kernel.render(kernel.lr_guide), kernel.guide)
    return steadiness


def test_warm_starts_flicker_less_than_cold_fits_at_no_less_psnr():
    """Measured: flicker 0.80 against 1.08 grey levels, 30.13 against 30.08 dB."""
    frames = moving_scene("paper", 6, 320, 180, turns=0.03)
    cold = measured(gsjbu.fit(frame) for frame in frames)
    warm = measured(video.kernels(frames))
    assert warm.flicker < cold.flicker
    assert warm.psnr >= cold.psnr


def test_a_cut_starts_cold_again():
    scene, other = torch.zeros(3, 32, 32), torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    scene[:, :, 15:] = 0.7
    lengths = [len(k.losses) for k in video.kernels([scene, scene, other, other], 3, 20, stride=8)]
    assert lengths == [20, 3, 20, 3]


def test_a_change_of_size_starts_cold():
    frames = [torch.rand(3, 32, 32), torch.rand(3, 32, 48)]
    assert [len(k.losses) for k in video.kernels(frames, 2, 5, stride=8)] == [5, 5]


def test_steadiness_tells_a_standing_error_from_one_that_comes_and_goes():
    reference = torch.full((1, 4, 4), 0.5)
    standing, flickering = video.TemporalMetrics(), video.TemporalMetrics()
    for number in range(4):
        standing.add(reference + 0.1, reference)
        flickering.add(reference + 0.1 * (-1) ** number, reference)
    assert standing.psnr == pytest.approx(20, abs=1e-3)
    assert flickering.psnr == pytest.approx(standing.psnr, abs=1e-3)
    assert standing.flicker == pytest.approx(0, abs=1e-5)
    assert flickering.flicker == pytest.approx(255 * 0.2, rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_frames_may_be_arrays_and_levels_and_of_none_there_is_no_figure():
    found, right = video.TemporalMetrics(), video.TemporalMetrics()
    assert math.isnan(found.psnr) and math.isnan(found.flicker)
    for number in range(3):
        frame, reference = np.full((3, 4, 4), 51 * number, np.uint8), np.full((3, 4, 4), 102, np.uint8)
        found.add(frame, torch.from_numpy(reference))
        right.add(torch.from_numpy(frame) / 255, torch.from_numpy(reference) / 255)
    assert found.psnr == pytest.approx(right.psnr) and found.flicker == pytest.approx(right.flicker) == 51


def test_a_film_that_is_written_is_read_back(tmp_path):
    frames = list(drifting(5))
    with films.Writer(tmp_path / "a.mp4", rate=12) as film:
        for frame in frames:
            film.add(to_uint8(frame)[:-1])  # an odd number of rows
    with films.Reader(tmp_path / "a.mp4") as film:
        back = list(film)
        assert (film.rate, film.count) == (12, 5)
    assert [tuple(frame.shape) for frame in back] == [(3, 59, 96)] * 5
    assert all((a - b[:, :59]).abs().mean() < 0.06 for a, b in zip(back, frames, strict=True))


def fail_in(path):
    with films.Writer(path) as film:
        for frame in drifting(2):
            film.add(to_uint8(frame))
        raise GsjbuError("signal_missing", "In the middle.")


def test_what_was_done_before_an_error_is_kept(tmp_path):
    with pytest.raises(GsjbuError, match="The 2 frames before it are in"):
        fail_in(tmp_path / "a.mp4")
    with films.Reader(tmp_path / "a.mp4") as film:
        assert len(list(film)) == 2


def test_an_error_leaves_the_film_that_was_there(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"before")
    with pytest.raises(GsjbuError, match=r"middle\.$"):
        fail_in(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


TIMES = [0, 0.1, 0.2, 1.7, 1.8]


def a_film(path) -> None:
    """64×48 with pixels twice as wide as high, a pause of one and a half seconds, and a tone."""
    import av

    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.codec_context.sample_aspect_ratio = Fraction(2, 1)
        picture.codec_context.time_base = Fraction(1, 1000)
        tone = file.add_stream("aac", rate=8000, layout="mono")
        for time, pixels in zip(TIMES, drifting(5, 48, 64), strict=True):
            frame = av.VideoFrame.from_ndarray(to_uint8(pixels), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(1000 * time)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        for start in range(0, 14400, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), "f4"), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 8000, start, Fraction(1, 8000)
            file.mux(tone.encode(sound))
        file.mux(tone.encode(None))


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_times_aspect_and_sound_are_kept(tmp_path, ending):
    import av

    a_film(tmp_path / f"in.{ending}")
    with (
        films.Reader(tmp_path / f"in.{ending}") as film,
        films.Writer(tmp_path / f"out.{ending}", film.rate, like=film) as out,
    ):
        for frame in film:
            out.add(to_uint8(frame))
    with av.open(str(tmp_path / f"out.{ending}")) as back:
        assert back.streams.video[0].sample_aspect_ratio == 2
        assert len(back.streams.audio) == 1
        with av.open(str(tmp_path / f"in.{ending}")) as before:
            assert back.duration / 1e6 == pytest.approx(before.duration / 1e6, abs=1e-3)
        assert [frame.time for frame in back.decode(video=0)] == pytest.approx(TIMES, abs=1e-3)
    with av.open(str(tmp_path / f"out.{ending}")) as back:
        assert sum(frame.samples for frame in back.decode(audio=0)) >= 14400


def turned(film: bytes, quarters: int) -> bytes:
    """An .mp4 or .mov whose picture is to be shown turned clockwise, as telephones write it."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    at = film.index(b"tkhd") + 44  # the track's matrix
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    return film[:at] + matrix + film[at + 36 :]


def turned_mkv(film: bytes, quarters: int) -> bytes:
    """A .mkv the same: its track gets a projection that is rolled, and the empty space before it shrinks by as much."""
    roll = b"\x76\x71\x81\x00\x76\x75\x84" + struct.pack(">f", 90.0 if quarters == 3 else -90.0 * quarters)
    projection = b"\x76\x70" + bytes([0x80 + len(roll)]) + roll
    more = len(projection)
    space = film.index(b"\xec\x01\x00") + 8  # the last byte of its size, then so many
    tracks = film.index(b"\x16\x54\xae\x6b", space) + 4  # sizes of two, eight and one byte
    track = film.index(b"\xae\x01", tracks) + 2
    # with its size and the width first, or a byte of the track's random number would do
    found = re.compile(rb"\xe0[\x80-\xff]\xb0").search(film, track + 7)
    assert found is not None
    picture = found.start() + 1
    end = picture + 1 + film[picture] - 0x80
    return b"".join((
        film[:space], bytes([film[space] - more]), film[space + 1 + more : tracks],
        (int.from_bytes(film[tracks : tracks + 2], "big") + more).to_bytes(2, "big"), film[tracks + 2 : track],
        (int.from_bytes(film[track : track + 7], "big") + more).to_bytes(7, "big"), film[track + 7 : picture],
        bytes([film[picture] + more]), film[picture + 1 : end], projection, film[end:],
    ))  # fmt: skip


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_film_that_lies_on_its_side_comes_out_upright_and_as_long(tmp_path, ending, quarters):
    before, after = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    a_film(before)
    with films.Reader(before) as film:
        lying = next(iter(film))
    turn = turned_mkv if ending == "mkv" else turned
    before.write_bytes(turn(before.read_bytes(), quarters))
    copied(before, after)
    with films.Reader(before) as one, films.Reader(after) as other:
        upright = list(one)
        shown = list(other)
        assert other.quarters == 0 and one.quarters == -quarters % 4
        assert other.aspect == (Fraction(1, 2) if quarters % 2 else 2)  # a pixel is turned with its picture
        right = [(float(start), float(long)) for start, long in one.times]
        np.testing.assert_allclose([(float(s), float(d)) for s, d in other.times], right, atol=1e-3)
    assert torch.equal(upright[0], torch.rot90(lying, -quarters, (1, 2)))
    assert len(shown) == len(upright) == len(TIMES)
    assert all(float((a - b).abs().mean()) < 0.06 for a, b in zip(shown, upright, strict=True))


@pytest.mark.parametrize("data", [None, b"", b"not a film at all", b"\x00\x00\x00\x18ftypmp42" + bytes(40)])
def test_what_is_no_film_is_a_sentence(tmp_path, data):
    path = tmp_path / "a.mp4"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(GsjbuError) as refusal:
        films.Reader(path)
    assert refusal.value.code == "video_unreadable"


@pytest.mark.parametrize("name", ["a.words", "a.gif", "a"])
def test_an_unknown_ending_is_a_sentence(tmp_path, name):
    with pytest.raises(GsjbuError, match=r"cannot be written as a film; use one of \.mp4"):
        films.Writer(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GsjbuError, match=r"^\. cannot be written as a film"):
        films.Writer(".")


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(GsjbuError, match=r"gsjbu\[video\]"):
        films.Reader(tmp_path / "a.mp4")


LIKE = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 1}


def a_plain_film(path, width: int, height: int, frames: int, sound: str = "") -> None:
    """Two colours side by side, full range, BT.709; odd sides have colours at full size."""
    import av

    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=10, options={"crf": "0"})
        form = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        picture.width, picture.height, picture.pix_fmt = width, height, form
        tone = file.add_stream(sound, rate=8000, layout="mono") if sound else None
        for name, value in LIKE.items():
            setattr(picture.codec_context, name, value)
        for number in range(frames):
            pixels = np.full((height, width, 3), (240, 60, 20 + 40 * number), np.uint8)
            pixels[:, : width // 2] = (8, 200, 250)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=form, dst_colorspace=1, dst_color_range=2)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        if tone is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 800 * frames), "u1"), format="u8", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 8000, 0, Fraction(1, 8000)
            file.mux(tone.encode(silence))
            file.mux(tone.encode(None))


def copied(source, target) -> list[str]:
    """A film, frame by frame; what is said of it."""
    with films.Reader(source) as film, films.Writer(target, film.rate, like=film) as out:
        for frame in film:
            out.add(to_uint8(frame))
    return out.notes


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(("width", "height", "frames"), [(64, 48, 3), (65, 47, 2), (33, 48, 1)])
def test_size_length_and_colours_are_kept(tmp_path, ending, width, height, frames):
    import av

    a_plain_film(tmp_path / "in.mkv", width, height, frames)
    said = copied(tmp_path / "in.mkv", tmp_path / f"out.{ending}")
    assert any("odd side" in note for note in said) == bool(width % 2)
    with films.Reader(tmp_path / "in.mkv") as one, films.Reader(tmp_path / f"out.{ending}") as other:
        for before, after in zip(one, other, strict=True):
            assert before.shape == after.shape == (3, height, width)
            assert float((before - after).abs().amax(dim=0)[4:-4, 4 : width // 2 - 4].max()) < 5 / 255
        assert other.colours == LIKE and other.times == one.times
    with av.open(str(tmp_path / f"out.{ending}")) as file:
        assert file.duration / 1e6 == pytest.approx(frames / 10, abs=1e-3)


def test_sound_that_a_container_does_not_hold_is_named(tmp_path):
    a_plain_film(tmp_path / "in.mkv", 32, 32, 2, "pcm_u8")
    (said,) = copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert "pcm_u8" in said and ".mkv does" in said
    assert copied(tmp_path / "in.mkv", tmp_path / "out.mkv") == []


def test_dark_frames_are_not_stretched_by_themselves():
    dark = torch.full((3, 32, 32), 0.02)
    dark[:, :, 16:] = 0.05
    (kernel,) = video.kernels([dark], first_iters=1, stride=8)
    assert float(kernel.guide.max()) < 0.06


@pytest.mark.parametrize(
    ("codec", "form", "marked", "lost"),
    [
        ("ffv1", "yuv422p10le", False, ["10 bits a colour", "the size of its colours"]),
        ("ffv1", "yuv420p10le", False, ["10 bits a colour"]),
        ("ffv1", "yuv444p", False, ["the size of its colours"]),
        ("ffv1", "gray16le", False, ["16 bits a colour"]),
        ("ffv1", "yuva420p", False, ["its alpha channel"]),
        ("ffv1", "yuv420p", True, ["its alpha channel"]),
        ("ffv1", "yuv420p", False, []),
        ("ffv1", "gray", False, []),
        ("ffv1", "bgra", False, ["its alpha channel", "the size of its colours"]),
    ],
)
def test_what_the_pixels_of_a_film_lose_is_said(tmp_path, codec, form, marked, lost):
    import av

    with av.open(str(tmp_path / "in.mkv"), "w") as file:
        picture = file.add_stream(codec, rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, form
        if marked:
            picture.metadata["alpha_mode"] = "1"
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
        file.mux(picture.encode(frame.reformat(format=form)))
        file.mux(picture.encode(None))
    said = copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    parts = said[0].split(": ", 1)[1].split(", ") if said else []
    assert len(said) <= 1 and len(parts) == len(lost)
    assert all(part.startswith(start) for part, start in zip(parts, lost, strict=True))


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_title_comment_and_time_of_making_are_kept(tmp_path, ending):
    import av

    words = {"title": "Ein Tal", "comment": "von oben", "creation_time": "2020-01-02T03:04:05.000000Z"}
    a_plain_film(tmp_path / "plain.mp4", 32, 32, 2)
    with av.open(str(tmp_path / "plain.mp4")) as source, av.open(str(tmp_path / "in.mp4"), "w") as file:
        file.metadata.update(words)
        stream = file.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                file.mux(packet)
    copied(tmp_path / "in.mp4", tmp_path / f"out.{ending}")
    with av.open(str(tmp_path / f"out.{ending}")) as file:
        kept = {name.lower(): text for name, text in file.metadata.items()}
    assert {name: kept.get(name) for name in words} == words


def test_what_is_there_and_no_film_is_not_said_to_be_missing(tmp_path):
    with pytest.raises(GsjbuError, match=r"is a folder, and a film is one file; of numbered pictures .*ffmpeg"):
        films.Reader(tmp_path)
    with pytest.raises(GsjbuError, match=r"^/dev/null is no regular file"):
        films.Reader("/dev/null")
    with pytest.raises(GsjbuError, match=r"^There is no "):
        films.Reader(tmp_path / "none.mp4")


def timed(path, times: list[int]) -> None:
    """A .mkv of plain frames at so many milliseconds each."""
    import av

    with av.open(str(path), "w") as file:
        picture = file.add_stream("ffv1", rate=10)
        picture.width, picture.height, picture.pix_fmt, picture.time_base = 64, 48, "yuv420p", Fraction(1, 1000)
        for number, time in enumerate(times):
            pixels = np.full((48, 64, 3), 20 + 25 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            for packet in picture.encode(frame):
                packet.pts = packet.dts = time
                packet.time_base = Fraction(1, 1000)
                file.mux(packet)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("times", [[0, 40, 80, 80, 120, 160], [0, 40, 40, 80, 120, 160], [0, 40, 80, 80, 80, 120]])
def test_frames_of_one_time_follow_each_other(tmp_path, ending, times):
    timed(tmp_path / "in.mkv", times)
    with films.Reader(tmp_path / "in.mkv") as film:
        before = list(film)
        assert [round(1000 * start) for start, _ in film.times] == times
    copied(tmp_path / "in.mkv", tmp_path / f"out.{ending}")
    with films.Reader(tmp_path / f"out.{ending}") as film:
        after = list(film)
        shown = [float(1000 * start) for start, _ in film.times]
    assert len(after) == len(times) and shown == pytest.approx(times, abs=1.5)
    assert all(float((a - b).abs().mean()) < 0.03 for a, b in zip(before, after, strict=True))


def test_a_film_whose_size_changes_says_from_where(tmp_path):
    sizes = [(48, 64), (48, 64), (40, 64), (40, 50)]
    with films.Writer(tmp_path / "a.mp4") as film:
        for height, width in sizes:
            film.add(np.full((height, width, 3), 90, np.uint8))
    (said,) = film.notes
    assert said.startswith("From frame 2 on (the first is 0) pictures are 64×40, and scaled to the 64×48")
    with films.Reader(tmp_path / "a.mp4") as back:
        assert [tuple(frame.shape) for frame in back] == [(3, 48, 64)] * 4


def test_what_the_encoder_does_not_take_is_a_sentence(tmp_path):
    with (
        pytest.raises(GsjbuError, match=r"^a\.mp4 cannot be written as a film: "),
        films.Writer(tmp_path / "a.mp4") as film,
    ):
        film.add(np.zeros((16, 40000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_to_count_frames_takes_none_away(tmp_path, ending):
    a_plain_film(tmp_path / f"a.{ending}", 64, 48, 5)
    with films.Reader(tmp_path / f"a.{ending}") as film:
        assert (film.decoded(), film.decoded(3), film.decoded(9)) == (5, 3, 5)
        assert len(list(film)) == 5  # from its start, whatever was counted


def depth_by(frames, **options):
    """What two frames' kernels make of one signal."""
    low = torch.linspace(0, 1, 48).reshape(1, 6, 8)
    kernels = video.kernels(frames, 2, 2, stride=8, **options)
    return torch.stack([kernel.render(low) for kernel in kernels])


def test_floats_of_another_scale_are_refused_and_words_say_theirs():
    frames = [frame[:, :48, :64].clone() for frame in drifting(2)]
    right = depth_by(frames)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = [(frame - mean[:, None, None]) / std[:, None, None] for frame in frames]
    for other in ([255 * frame for frame in frames], normalised, [2 * frame - 1 for frame in frames]):
        with pytest.raises(GsjbuError, match=r"run from .*, and a film has one scale: give .* floats in \[0, 1\]"):
            depth_by(other)
    back = depth_by(normalised, mean=mean.tolist(), std=std.tolist())
    assert float((back - right).abs().max()) < 1e-4
    assert float((depth_by([255 * frame for frame in frames], stretch=(0, 255)) - right).abs().max()) < 1e-4
    overshot = [frame * 1.1 - 0.05 for frame in frames]
    assert depth_by(overshot).shape == right.shape  # as resizing leaves them


def test_a_mask_of_what_is_not_to_be_followed_holds_for_every_frame():
    frames = [frame[:, :48, :64].clone() for frame in drifting(2)]
    hidden = torch.zeros(48, 64)
    hidden[10:30, 10:40] = 1
    spoilt = [frame.clone() for frame in frames]
    for frame in spoilt:
        frame[:, 10:30, 10:40] = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(depth_by(frames, guide_mask=hidden), depth_by(spoilt, guide_mask=hidden))
    assert not torch.equal(depth_by(frames), depth_by(spoilt))
