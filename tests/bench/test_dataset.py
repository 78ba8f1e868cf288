from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.samples import write_data
from ziyan.bench import dataset
from ziyan.bench.errors import BenchError

DATA = {
    "b_two": [{"lines": ["二"], "lang": "zh"}, {"lines": ["deux"], "lang": "en", "ignored_text": "样本"}],
    "a_one": [{"lines": [], "order_free": True, "ignored_text": ["x", "y"]}],
}


def test_labels_come_category_by_category(tmp_path: Path) -> None:
    labels = dataset.load(write_data(tmp_path, DATA))
    assert [label.key for label in labels] == ["a_one/a_one_0.png", "b_two/b_two_0.png", "b_two/b_two_1.png"]
    assert [label.lines for label in labels] == [(), ("二",), ("deux",)]
    assert [label.language for label in labels] == ["", "zh", "en"]
    assert [label.ignored_text for label in labels] == [("x", "y"), (), ("样本",)]
    assert [label.order_free for label in labels] == [True, False, False]


def test_categories_and_limit_choose(tmp_path: Path) -> None:
    labels = dataset.load(write_data(tmp_path, DATA), ["b_two"], 1)
    assert [label.key for label in labels] == ["b_two/b_two_0.png"]


def remove_picture(data: Path) -> None:
    (data / "b_two" / "b_two_1.png").unlink()


def remove_labels(data: Path) -> None:
    (data / "a_one" / "labels.jsonl").unlink()


def empty_labels(data: Path) -> None:
    (data / "a_one" / "labels.jsonl").write_text("\n")


def write_labels(text: str) -> Callable[[Path], None]:
    def spoil(data: Path) -> None:
        (data / "a_one" / "labels.jsonl").write_text(text)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove_picture, r"1 pictures named in .*b_two/labels.jsonl are missing: b_two_1.png"),
        (remove_labels, r"no labels: .*a_one/labels.jsonl is missing"),
        (empty_labels, r"no labels: .*a_one/labels.jsonl is empty"),
        (write_labels("{"), r"a_one/labels.jsonl:1: not a label"),
        (write_labels('\n{"image": "a.png"}'), r"a_one/labels.jsonl:2: not a label \(KeyError: 'lines'\)"),
        (write_labels('{"image": "a.png", "lines": "text"}'), r"lines are a list of strings"),
        (write_labels('{"image": "a.png", "lines": [1]}'), r"lines are a list of strings"),
        (write_labels("[]"), r"not a label"),
        (write_labels('{"image": "a.png", "lines": []}\n' * 2), r"labels a picture twice: a_one/a.png"),
    ],
)
def test_what_is_missing_or_unusable_is_said(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(write_data(tmp_path, DATA))
    with pytest.raises(BenchError, match=said):
        dataset.load(tmp_path)


def test_a_folder_that_is_no_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not a folder"):
        dataset.load(tmp_path / "nowhere")
    with pytest.raises(BenchError, match="holds no category folders"):
        dataset.load(tmp_path)
    write_data(tmp_path, DATA)
    with pytest.raises(BenchError, match=r"no category c_three, d in .*; there are a_one, b_two"):
        dataset.load(tmp_path, ["d", "a_one", "c_three"])
    with pytest.raises(BenchError, match="--categories a_one"):
        dataset.load(tmp_path / "a_one")
