"""What is wrong with a file, in Chinese: the sentences that a provider meets, by their form.

Errors are worded once, in English, where they are found. The portal says those of
files and of their review in Chinese, too; what is not listed here stays as it is.
"""

import re
from typing import Final

_UNIT = r"(?:line|row) (\d+): "
_SENTENCES: Final = (
    # Of single rows.
    (r"(\d+) fields?, want (\d+)", "有 {} 个字段，应有 {} 个"),
    (r"an empty (?:line|row)", "空行"),
    (r"a field of (\d+) bytes, want at most (\d+)", "字段有 {} 字节，最多 {}"),
    (r"a value of (\d+) bytes in column (\d+), want at most (\d+)", "第 {1} 列的值有 {0} 字节，最多 {2}"),
    (r"a quote that is never closed", "引号没有闭合"),
    (r"a quoted field that does not end at its closing quote", "引号闭合之后还有内容"),
    (r"a carriage return without a line feed", "只有回车、没有换行"),
    (
        r"a record of more than (\d+) bytes, or a quote that is never closed",
        "一行超过 {} 字节，或引号没有闭合",
    ),
    (r"a NUL character in column (\d+)", "第 {} 列有 NUL 字符"),
    (r"half a character, or a NUL, in column (\d+)", "第 {} 列有半个字符或 NUL"),
    (r"a day outside of the years 1 to 9999 in column (\d+)", "第 {} 列的日期不在公元 1 至 9999 年"),
    (r"a value inside a value(?:, in column \d+)?", "值里面套着值"),
    (r"no JSON", "不是 JSON"),
    (r"no object", "不是 JSON 对象"),
    (r"a member that stands twice", "同一成员出现两次"),
    (r"values beyond the (\d+) columns that have names", "值超出了有列名的 {} 列"),
    (r"merged cells", "有合并的单元格"),
    (r"encoding", "编码不对"),
    # Of the whole file.
    (r"the file has rows that cannot be read: .*", "文件中有无法读取的行，见下表。"),
    (
        _UNIT + r"bytes that are not UTF-8, GB18030 or UTF-16; .*",
        "第 {} 行起有不属于 UTF-8、GB18030 或 UTF-16 的字节：请把文件存为 UTF-8，或指明它的编码。",
    ),
    (
        _UNIT + r"bytes that are not (.*); save the file as UTF-8, or declare its encoding",
        "第 {} 行起有不属于 {} 的字节：请把文件存为 UTF-8，或指明它的编码。",
    ),
    (r"the file is empty|the upload is empty|the worksheet is empty|the file has no rows", "文件是空的。"),
    (r"the file has a header and no rows", "文件只有列名，没有数据行。"),
    (r"the gzip archive ends before its end: send the file again", "gzip 文件不完整：请重新上传。"),
    (r"the Parquet file is damaged, or cut off", "Parquet 文件已损坏或不完整。"),
    (r"the workbook's archive is damaged", "工作簿（xlsx）已损坏。"),
    (r"the workbook is encrypted: save it without a password", "工作簿有密码：请去掉密码后再保存。"),
    (r"the workbook has no worksheet of the declared name", "工作簿中没有所指名称的工作表。"),
    (
        r"the file is (.*), want CSV, JSON Lines, an Excel workbook \(xlsx\) or Parquet",
        "文件不是表格数据（{}）：这里接受 CSV、JSON Lines、Excel 工作簿（xlsx）和 Parquet。",
    ),
    (r"the file has more than (\d+) rows", "文件超过 {} 行。"),
    # Of what was read, as a warning.
    (r"column (.*) has no values", "列 {} 没有值"),
    (
        r"column (.*) stays text: it has values that are no finite number",
        "列 {} 按文本读取：有的值不是有限的数",
    ),
    (
        r"column (.*) holds values that are no finite number, which became null",
        "列 {} 中不是有限数的值改成了空值",
    ),
    (
        r"column (.*) stays text: its exponents may be codes \(declare them to be numbers\)",
        "列 {} 按文本读取：形如 1E5 的值可能是编码",
    ),
    (r"empty (?:lines|rows) at the end of the (?:file|worksheet) were left out", "末尾的空行没有读取"),
    (
        r"the encoding (.*) was guessed: check the preview, or declare it",
        "编码 {} 是推测的：请核对预览，或指明编码",
    ),
    (
        r"the file's name says (.*), and it was read as (.*), which it is",
        "文件名说是 {}，实际是 {}，已按实际读取",
    ),
    (
        r"the workbook has (\d+) worksheets: the first was read \(declare another by its name\)",
        "工作簿有 {} 张工作表，读取的是第一张",
    ),
    # Of a review.
    (
        r"column '(.*)': its category needs at least level (\d+) and (.*), got level (\d+) and (.*)",
        "列 {} 不能比领域规则更宽：至少要 {} 级、{}，现在是 {} 级、{}。",
    ),
    (r"parameters are written like first=3 last=4", "参数要写成 first=3 last=4 这样。"),
    (r"semi_honest: '(.*)' is no active consumer", "“{}”不是有效的使用方编号。"),
    (r"the basis of an approval has 1 to (\d+) characters", "请写明理由，不超过 {} 个字。"),
    (r"the policy denies it: .*", "不能登记的原因和办法见下面的“风险”。"),
)
_FORMS: Final = tuple((re.compile(form, re.DOTALL), said) for form, said in _SENTENCES)


def chinese(text: str) -> str:
    """Return a sentence in Chinese; nothing when it is none of those above."""
    for form, said in _FORMS:
        if found := form.fullmatch(text):
            return said.format(*found.groups())
    return ""
