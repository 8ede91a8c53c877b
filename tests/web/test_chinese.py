"""What a provider is told of its file, it is told in Chinese, too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.catalog.limits import Bad, refusal
from dataspace.web.chinese import _FORMS, chinese


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 fields, want 13", "有 2 个字段，应有 13 个"),
        ("a value of 70000 bytes in column 3, want at most 65536", "第 3 列的值有 70000 字节，最多 65536"),
        ("column 备注 has no values", "列 备注 没有值"),
        (str(refusal([Bad(3, "no JSON")])), "文件中有无法读取的行，见下表。"),
        ("column '{0}': its category needs at least level 4 and mask, got level 4 and keep",
         "列 {0} 不能比领域规则更宽：至少要 4 级、mask，现在是 4 级、keep。"),
        ("semi_honest: 'pt-0' is no active consumer", "“pt-0”不是有效的使用方编号。"),
        ("nobody ever said this", ""),
    ],
)  # fmt: skip
def test_a_sentence_of_a_known_form_is_said_in_chinese(text: str, said: str) -> None:
    assert chinese(text) == said


def test_every_form_fills_what_its_words_leave_open() -> None:
    for form, said in _FORMS:
        assert said.format(*["7"] * form.groups)


@given(st.text())
def test_noise_is_no_sentence(text: str) -> None:
    assert isinstance(chinese(text), str)
