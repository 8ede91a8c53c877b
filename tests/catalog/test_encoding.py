import gzip
import io
import zipfile

import pytest

from dataspace.errors import Unprocessable, Unsupported
from tests.catalog.uploads import lines, read, refused


def _zip(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.csv", content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"MZ\x90\x00\x03\x00\x00\x00", "PE"),
        (b"\x7fELF\x02\x01\x01\x00", "ELF"),
        (b"%PDF-1.7\n1 0 obj\n", "PDF"),
        (b"<!DOCTYPE html>\n<p>a,b\n", "HTML"),
        (b"\xef\xbb\xbf \n<HTML><body>", "HTML"),
        (b"<svg onload=x>", "XML"),
        (_zip(b"a,b\n1,2\n"), "ZIP"),
        (gzip.compress(gzip.compress(b"a,b\n1,2\n")), "gzip"),
        (gzip.compress(b"\x7fELF\x02\x01\x01\x00"), "ELF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"\x89PNG\r\n", "PNG"),
    ],
)
def test_up_07_what_is_no_csv_is_told_what_it_is(content: bytes, kind: str) -> None:
    with pytest.raises(Unsupported, match=kind) as caught:
        read(content)
    assert "CSV" in str(caught.value)


def test_up_07_a_polyglot_is_its_rows_and_nothing_else() -> None:
    _, table = read(b"a,b\n%PDF-1.7,<script>alert(1)</script>\n")
    assert table.to_pylist() == [{"a": "%PDF-1.7", "b": "<script>alert(1)</script>"}]


TEXT = "姓名,城市,金额\n张伟,北京市,12\n李娜,上海市,7\n王芳,广州市,9\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEXT.encode(), "UTF-8"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "UTF-8 with a byte order mark"),
        (TEXT.encode("gbk"), "GB18030"),
        (TEXT.encode("gb18030"), "GB18030"),
        (TEXT.encode("utf-16"), "UTF-16 LE"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16 BE"),
        (TEXT.encode("utf-16-le"), "UTF-16 LE"),
    ],
)
def test_up_12_the_encodings_of_the_country_are_found(content: bytes, told: str) -> None:
    found, table = read(content)
    assert found["encoding"] == told
    assert table.to_pydict() == {
        "姓名": ["张伟", "李娜", "王芳"],
        "城市": ["北京市", "上海市", "广州市"],
        "金额": [12, 7, 9],
    }


def test_up_12_text_after_megabytes_of_ascii_is_still_found() -> None:
    content = b"a,b\n" + b"1,plain\n" * 700_000 + "2,广州市\n".encode("gbk")
    found, table = read(content)
    assert found["encoding"] == "GB18030"
    assert table.column("b")[-1].as_py() == "广州市"


@pytest.mark.parametrize(("first", "second"), [("utf-8", "gbk"), ("gbk", "utf-8")])
def test_up_12_mixed_encodings_name_their_line(first: str, second: str) -> None:
    content = (
        "城市,区\n北京,朝阳\n".encode(first) + "上海市,徐汇\n".encode(second) + "广州,天河\n".encode(first)
    )
    assert lines(refused(content)) == [3]


def test_up_12_a_far_line_that_does_not_decode_is_named() -> None:
    content = "城市,区\n".encode() + "北京,朝阳\n".encode() * 400_000 + b"\xb1\xb1,1\n"
    assert lines(refused(content)) == [400_002]


def test_up_12_a_broken_line_of_gb18030_is_named() -> None:
    content = "城市,区\n".encode("gbk") + "北京市,朝阳区\n".encode("gbk") * 40 + b"\xff\xff,1\n"
    assert lines(refused(content)) == [42]


def test_up_12_a_declared_encoding_decides() -> None:
    content = "name,n\nMüller,1\n".encode("cp1252")
    _, table = read(content, declared={"encoding": "cp1252"})
    assert table.column("name").to_pylist() == ["Müller"]
    with pytest.raises(Unsupported):
        read(content, declared={"encoding": "rot13"})
    with pytest.raises(Unprocessable, match="mark"):
        read(b"\xef\xbb\xbfa,b\n1,2\n", declared={"encoding": "gb18030"})


def test_up_12_a_guess_is_told_as_one() -> None:
    rows = "".join(f"Müller Straße {n};Größe für {n}\n" for n in range(50))
    found, table = read(f"straße;größe\n{rows}".encode("cp1252"))
    assert any("guessed" in warning for warning in found["warnings"])
    assert table.column(0)[0].as_py() == "Müller Straße 0"
