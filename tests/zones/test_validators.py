import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.zones.schema import Check
from dataspace.zones.validators import test as passes

# The number of GB 11643's own example, the code of GB 32100 published for Huawei, and UnionPay test cards.
GOOD = {
    Check.RESIDENT_ID: ["11010519491231002X", "11010519491231002x", "440524188001010014"],
    Check.USCC: ["914403001922038216", "91350100M000100Y43"],
    Check.BANK_CARD: ["6200000000000005", "6205500000000000004", "4111111111111111", "378282246310005"],
    Check.MOBILE: ["13800001234", "+8613800001234", "86 19900001234"],
    Check.LANDLINE: ["010-62345678", "(021)52345678", "0755-23456789-801"],
    Check.EMAIL: ["a.b+c@example.com", "x@sub.example.org.cn"],
    Check.PLATE: ["京A12345", "粤B·D12345", "沪A12345D", "川A1234学"],
    Check.PASSPORT: ["E12345678", "EA1234567", "G12345678"],
    Check.IP: ["192.168.1.7", "8.8.8.8", "2001:db8:0:0:0:0:0:1", "fe80::1", "::1"],
    Check.COORDINATE: ["116.397128", "-73.98", "39.9042,116.4074", "(116.40, 39.90)"],
    Check.DIVISION: ["110105", "320503", "北京市", "广东省深圳市", "朝阳区", "内蒙古"],
    Check.ICD10: ["I10", "I10.x00", "E11.9", "M51.202", "C34.900x001", "A09.9"],
    Check.DATE: [
        "2024-02-29",
        "2024/1/5",
        "20240131",
        "31/12/2024",
        "2024年1月5日",
        "2024-01-05 10:00:00",
        "20240105100000",
    ],
    Check.AMOUNT: ["12", "-3.50", "1,234.56", "￥100", "1e+05"],
    Check.AGE: ["0", "99", "120"],
    Check.SEX: ["男", "女", "M", "female", "1"],
    Check.POSTCODE: ["100000", "90210", "90210-1234"],
    Check.ADDRESS: ["北京市朝阳区建国路1号", "广东省深圳市南山区科技园", "杭州市西湖区文三路90号"],
    Check.PERSON_NAME: ["张伟", "欧阳娜娜", "李小龙"],
    Check.COMPANY_NAME: ["杭州华信科技有限公司", "北京大学", "Acme Trading Co. Ltd"],
    Check.IDENTIFIER: ["MR00001", "a1-b2_c3"],
}
BAD = {
    Check.RESIDENT_ID: [
        "110105194912310021",
        "11010519490231002X",
        "1101051949123100",
        "110105194913310021",
        "",
    ],
    Check.USCC: ["914403001922038217", "91440300192203821", "IO4403001922038216"],
    Check.BANK_CARD: ["6200000000000006", "9200000000000005", "620000000000", "42"],
    Check.MOBILE: ["12800001234", "1380000123", "138000012345"],
    Check.LANDLINE: ["62345678", "010-1234567"],
    Check.EMAIL: ["a@b", "@example.com", "a b@example.com"],
    Check.PLATE: ["京I12345", "A12345", "京A1234"],
    Check.PASSPORT: ["X12345678", "E1234567"],
    Check.IP: ["1.2.3", "256.1.1.1", "1.2.3.4.5", "01.2.3.4", "x"],
    Check.COORDINATE: ["116", "200.5", "95.1,200.2", "1.2.3"],
    Check.DIVISION: ["990105", "1101055", "本科", "高中", ""],
    Check.ICD10: ["10", "i10", "I1", "I10.12345"],
    Check.DATE: ["2024-13-01", "2024", "20241301", "31/31/24", "20240105250000", "202401051000"],
    Check.AMOUNT: ["1e5", "12,34", "NaN", "1.2.3"],
    Check.AGE: ["130", "-1", "1.5"],
    Check.SEX: ["x", "男人们"],
    Check.POSTCODE: ["1234", "1234567"],
    Check.ADDRESS: ["张伟", "Springfield"],
    Check.PERSON_NAME: ["张", "苹果手机壳", "Zhang"],
    Check.COMPANY_NAME: ["张伟", "公司"],
    Check.IDENTIFIER: ["", "a b", "张"],
}


@pytest.mark.parametrize("check", Check)
def test_what_is_right_passes(check: Check) -> None:
    assert passes(check, pa.array(GOOD[check])).all()


@pytest.mark.parametrize("check", Check)
def test_what_is_wrong_does_not(check: Check) -> None:
    assert not passes(check, pa.array(BAD[check])).any()


def test_a_code_may_begin_with_letters() -> None:
    # Farm cooperatives have N, others Y; their check digits follow from GB 32100's formula.
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    for body in ("N2370100MA3C4D5E6", "Y1110000400000001"):
        total = sum(alphabet.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
        code = body + alphabet[(31 - total % 31) % 31]
        assert passes(Check.USCC, pa.array([code])).all()


@given(st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_of_a_resident_number_is_found(place: int, more: int) -> None:
    number = "11010519491231002X"
    changed = number[:place] + str((int(number[place]) + more) % 10) + number[place + 1 :]
    assert not passes(Check.RESIDENT_ID, pa.array([changed])).any()


@given(st.lists(st.text(max_size=30)), st.sampled_from(list(Check)))
def test_any_text_is_judged(values: list[str], check: Check) -> None:
    assert len(passes(check, pa.array(values, pa.string()))) == len(values)
