from collections.abc import Collection
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.cosignature import Cosigner
from dataspace.proof.key import NoteKey, Verifier
from dataspace.proof.note import signature_line
from dataspace.proof.witnesses import LIMIT, Group, KnownLog, Witness, WitnessPolicy
from tests.proof.test_checkpoint import HEAD
from tests.proof.test_cosignature import (
    COSIGNED,
    NOTE,
    PQ_WITNESS,
    TIME,
    WITNESS,
    WITNESS_KEY,
)
from tests.proof.test_note import VERIFIER
from tests.proof.test_secp256k1 import ANCHOR


def _witness(number: int) -> Cosigner:
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key()
    return Cosigner(f"witness.example/{number}", key.public_bytes_raw())


X1, X2, X3, Y1, Y2, Y3 = map(_witness, range(1, 7))

# The example of https://c2sp.org/tlog-policy.
EXAMPLE = f"""\
log {VERIFIER}

witness X1 {X1}
witness X2 {X2}
witness X3 {X3}
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1}
witness Y2 {Y2}
witness Y3 {Y3}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""

TWO = f"witness a {WITNESS}\nwitness b {PQ_WITNESS}\n"


def test_the_example_of_the_standard_is_read() -> None:
    policy = WitnessPolicy.parse(EXAMPLE)
    assert policy.logs == (KnownLog(VERIFIER),)
    assert policy.witnesses[0] == Witness("X1", X1)
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"


@pytest.mark.parametrize(
    ("names", "met"),
    [
        (["X1", "X2", "Y3"], True),
        (["X1", "X2", "X3", "Y1", "Y2", "Y3"], True),
        (["X1", "Y1", "Y2", "Y3"], False),
        (["X1", "X2", "X3"], False),
        (["X-and-Y"], False),
        (["X-witnesses", "Y1"], False),
        (["X1", "X1", "Y1"], False),
        (["none"], False),
        ([], False),
    ],
)
def test_groups_of_groups_count_as_the_standard_says(names: Collection[str], met: bool) -> None:
    assert WitnessPolicy.parse(EXAMPLE).satisfied(names) is met


@pytest.mark.parametrize(
    ("rule", "alone", "both"),
    [
        ("quorum none\n", True, True),
        ("quorum a\n", True, True),
        ("quorum b\n", False, True),
        ("group g 1 a b\nquorum g\n", True, True),
        ("group g any a b\nquorum g\n", True, True),
        ("group g 2 a b\nquorum g\n", False, True),
        ("group g all a b\nquorum g\n", False, True),
    ],
)
def test_a_quorum_is_nothing_a_witness_or_a_group(rule: str, alone: bool, both: bool) -> None:
    policy = WitnessPolicy.parse(TWO + rule)
    assert (policy.satisfied(["a"]), policy.satisfied(["a", "b"])) == (alone, both)


def test_spaces_tabs_comments_and_empty_lines_are_of_no_meaning() -> None:
    text = (
        f"# \t a comment, 是\n\t #another\n \t \n\tlog\t {VERIFIER}  https://log.example\n"
        f"  witness  a\t{WITNESS} https://w.example/ \nquorum\ta \n#"
    )
    policy = WitnessPolicy.parse(text + "\n")
    assert policy.logs == (KnownLog(VERIFIER, "https://log.example"),)
    assert policy.witnesses == (Witness("a", WITNESS, "https://w.example/"),)
    with pytest.raises(VerificationError, match="line 7: want a newline"):
        WitnessPolicy.parse(text)


def test_names_are_opaque_and_other_scripts_part_nothing() -> None:
    # U+212A is a Kelvin sign, which is no K; U+0085, U+00A0 and U+2028 end lines or part words elsewhere.
    names = ["K", "\u212a", "a\u0085b", "a\u00a0b", "a\u2028b", "#", "all", "2", "quorum", "\udc80"]
    lines = [f"witness {name} {_witness(10 + at)}\n" for at, name in enumerate(names)]
    policy = WitnessPolicy.parse("".join(lines) + f"group any all {' '.join(names)}\nquorum any\n")
    assert [one.name for one in policy.witnesses] == names
    assert policy.satisfied(names)
    assert not policy.satisfied(names[1:])


def test_every_type_of_note_key_may_be_a_logs_and_none_but_a_cosigners_a_witness() -> None:
    logs: list[NoteKey] = [VERIFIER, WITNESS, PQ_WITNESS, ANCHOR]
    policy = WitnessPolicy.parse("".join(f"log {key}\n" for key in logs) + "quorum none\n")
    assert [known.key for known in policy.logs] == logs
    for key in (VERIFIER, ANCHOR):
        with pytest.raises(VerificationError, match=r"line 1: .* type 0x04 or 0x06"):
            WitnessPolicy.parse(f"witness a {key}\nquorum none\n")


_SAME_KEY = Cosigner("witness.example/alias", WITNESS.public_key)
_SAME_LOG = Verifier("example.com/alias", VERIFIER.public_key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no quorum, want one line such as: quorum none"),
        (TWO, "no quorum"),
        ("quorum none\nquorum none\n", "line 2: a second quorum"),
        ("quorum\n", "line 1: want: quorum <name, or none>"),
        (f"{TWO}quorum a b\n", "line 3: want: quorum"),
        (f"{TWO}quorum c\n", "line 3: quorum 'c': want a witness or group defined above"),
        (f"quorum a\n{TWO}", "line 1: quorum 'a'"),
        (f"group g any a\n{TWO}quorum g\n", "line 1: member 'a': want a witness or group defined above"),
        (f"{TWO}group g any a g\nquorum g\n", "line 3: member 'g'"),
        (f"{TWO}group g any h\ngroup h any g\nquorum g\n", "line 3: member 'h'"),
        (f"{TWO}group g any none\nquorum g\n", "line 3: member 'none'"),
        (f"{TWO}group g any a a\nquorum g\n", "line 3: member 'a' is in a group already"),
        (f"{TWO}group g any a\ngroup h any a\nquorum g\n", "line 4: member 'a' is in a group already"),
        (f"{TWO}group g any\nquorum g\n", "line 3: want: group"),
        (f"{TWO}group g 3 a b\nquorum g\n", "line 3: threshold '3': want any, all, or a number from 1 to 2"),
        (f"{TWO}group g 0 a b\nquorum g\n", "line 3: threshold '0'"),
        (f"{TWO}group g -1 a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group g +1 a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group g 01 a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group g \u0661 a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group g Any a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group g {'9' * 5000} a b\nquorum g\n", "line 3: threshold"),
        (f"{TWO}group a any b\nquorum a\n", "line 3: the name 'a' is taken"),
        (f"{TWO}group none any b\nquorum a\n", "line 3: the name 'none' is taken"),
        (f"witness none {WITNESS}\nquorum none\n", "line 1: the name 'none' is taken"),
        (f"{TWO}witness a {X1}\nquorum a\n", "line 3: the name 'a' is taken"),
        (f"{TWO}witness c {WITNESS}\nquorum a\n", "line 3: the witness's key stands above already"),
        (f"{TWO}witness c {_SAME_KEY}\nquorum a\n", "line 3: the witness's key stands above already"),
        (f"log {VERIFIER}\nlog {_SAME_LOG}\nquorum none\n", "line 2: the log's key stands above already"),
        ("log\nquorum none\n", r"line 1: want: log <vkey> \[<url>\]"),
        (f"log {VERIFIER} https://a b\nquorum none\n", "line 1: want: log"),
        (f"witness {WITNESS}\nquorum none\n", "line 1: want: witness"),
        (f"witness a {WITNESS} https://a b\nquorum none\n", "line 1: want: witness"),
        (f"witness a {str(WITNESS)[:-4]}\nquorum none\n", "line 1: "),
        ("log example.com\nquorum none\n", "line 1: "),
        ("Quorum none\n", "line 1: unknown word 'Quorum', want log, witness, group or quorum"),
        ("quorum none # why\n", "line 1: want: quorum"),
        ("quorum none\r\n", "line 1: a control character 0x0d, want lines ended by 0x0a alone"),
        ("quorum none\n\x7f\n", "line 2: a control character 0x7f"),
        ("quorum none\n\x0b", "line 2: a control character 0x0b"),
        ("#" * (LIMIT + 1), "want at most"),
    ],
)
def test_an_error_names_the_line_and_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        WitnessPolicy.parse(text)


def test_a_policy_of_the_size_that_must_be_taken_is_taken() -> None:
    lines = [f"log {Verifier(f'log/{at}', _witness(at).public_key)}\n" for at in range(32)]
    lines += [f"witness w{at} {_witness(at)}\n" for at in range(32)]
    lines += ["group g0 any w0\n", *(f"group g{at} all g{at - 1} w{at}\n" for at in range(1, 32))]
    policy = WitnessPolicy.parse("".join(lines) + "quorum g31\n")
    everyone = [f"w{at}" for at in range(32)]
    assert policy.satisfied(everyone)
    assert not any(policy.satisfied([name for name in everyone if name != one]) for one in everyone)


def test_a_deep_chain_of_groups_is_judged_without_recursion() -> None:
    groups = "".join(f"group g{at} any {'a' if at == 0 else f'g{at - 1}'}\n" for at in range(20_000))
    assert WitnessPolicy.parse(f"{TWO}{groups}quorum g19999\n").satisfied(["a"])


def test_a_note_is_judged_by_the_cosignatures_that_verify() -> None:
    both = WitnessPolicy.parse(f"{TWO}group g all a b\nquorum g\n")
    judgement = both.judge(COSIGNED)
    assert (dict(judgement.signed), judgement.met) == ({"a": TIME, "b": 0}, True)
    alone = both.judge(NOTE + WITNESS.line(HEAD.text(), TIME, WITNESS_KEY.sign))
    assert (dict(alone.signed), alone.met) == ({"a": TIME}, False)
    assert both.judge(NOTE).signed == {}


def test_le_06_a_known_witness_whose_cosignature_fails_rejects_the_note() -> None:
    policy = WitnessPolicy.parse(f"{TWO}quorum b\n")
    with pytest.raises(VerificationError, match="does not verify"):
        policy.judge(COSIGNED + signature_line(WITNESS, bytes(72)))


def test_le_06_a_witness_of_the_right_name_and_another_key_does_not_count() -> None:
    impostor = Cosigner(WITNESS.name, X1.public_key)
    policy = WitnessPolicy.parse(f"witness a {impostor}\nquorum a\n")
    judgement = policy.judge(COSIGNED)
    assert (dict(judgement.signed), judgement.met) == ({}, False)


_WORDS = st.sampled_from(
    [
        *(
            "log",
            "witness",
            "group",
            "quorum",
            "any",
            "all",
            "none",
            "1",
            "2",
            "a",
            "b",
            "#",
            "\t",
            " ",
            "\n",
        ),
        *(f"witness a {WITNESS}\n", f"witness b {PQ_WITNESS}\n", f"log {VERIFIER}\n", "quorum none\n"),
        *(str(WITNESS), "group a any b\n", "group c 2 a b\n", "quorum c\n", "\r", "\u0661", "\ud800"),
    ]
)


@given(st.text() | st.lists(_WORDS).map(" ".join) | st.lists(_WORDS).map("".join))
def test_noise_is_refused_with_one_error(text: str) -> None:
    with suppress(VerificationError):
        policy = WitnessPolicy.parse(text)
        assert policy.satisfied([one.name for one in policy.witnesses])
