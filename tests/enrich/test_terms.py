"""Terms: the same content has the same id, what is wrong is said in one line."""

import pytest

from spanledger.enrich.terms import Terms, TermsError

TEXT = """
label = "Acme 2026"

[[contracts]]
name = "edp"
provider = "aws.bedrock"
discount = "7.50"
from = 2026-01-01
commitment = { amount = "100000", period = "year" }

[[customers]]
name = "all"
markup = "20"
"""


def test_the_same_content_has_the_same_id() -> None:
    terms = Terms.from_toml(TEXT)
    again = Terms.from_bytes(terms.to_bytes())
    assert terms.terms_id.startswith("tm1-")
    assert (again.terms_id, again.label, again.config, again.to_bytes()) == (terms.terms_id, "Acme 2026", terms.config, terms.to_bytes())
    assert Terms.from_toml(TEXT.replace("2026-01-01", '"2026-01-01T00:00:00Z"')).terms_id == terms.terms_id
    assert Terms.from_toml(TEXT.replace("Acme 2026", "Acme")).terms_id == terms.terms_id
    assert Terms.from_toml(TEXT.replace('"20"', '"21"')).terms_id != terms.terms_id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('discount = "7.50"', "discount = 7.5", 'contracts.1.discount: write it as text, in quotes: "7.5"'),
        ('discount = "7.50"', 'discount = "101"', "a discount is 0 to 100 percent"),
        ('discount = "7.50"', "", "contracts.1: it needs a percentage or rates"),
        ("from =", "since =", "contracts.1.since: Extra inputs are not permitted"),
        ("2026-01-01", '"soon"', "contracts.1.from: Invalid isoformat string"),
        ('markup = "20"', 'markup = "20"\nfrom = 2026-02-01\nto = 2026-01-01', "`to` comes after `from`"),
        ("[[contracts]]", "[contracts", "not TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(old: str, new: str, message: str) -> None:
    with pytest.raises(TermsError) as caught:
        Terms.from_toml(TEXT.replace(old, new))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_terms() -> None:
    for data in (b"", b"\xff", b"[]", b'{"contracts": 1}'):
        with pytest.raises(TermsError):
            Terms.from_bytes(data)
