"""What customers are charged for what meters counted."""

from spanledger.enrich.agreements import Agreements
from spanledger.enrich.events import Line
from spanledger.enrich.metered_terms import customer_price
from spanledger.enrich.money import ATTO, text_from_atto
from spanledger.enrich.records import Call
from spanledger.enrich.terms import Terms

LINES = (Line("calls", 3, "meter:search:calls", "0.01", 1, 3 * ATTO // 100),)
CALL = Call("t", "meter:search")


def charged(text: str, tenant: str | None = None, at_ns: int = 0, lines: tuple[Line, ...] = LINES) -> str | None:
    found = customer_price(Agreements(Terms.from_toml(text).config).customers, CALL, lines, tenant, at_ns)
    return None if found is None else text_from_atto(found)


def test_a_percentage_on_everything_is_for_meters_too() -> None:
    assert charged('customers = [{ name = "all", markup = "20" }]') == "0.036"
    assert charged('customers = [{ name = "all", markup = "20" }]', lines=()) is None
    assert charged('customers = [{ name = "all", markup = "20", provider = "openai" }]') is None
    assert charged('customers = [{ name = "all", markup = "20", units = ["input_tokens"] }]') is None
    assert charged('customers = [{ name = "all", markup = "20", to = 1970-01-01 }]') is None


def test_terms_of_a_meter_go_before_those_for_everything() -> None:
    terms = """
        customers = [
            { name = "all", markup = "20" },
            { name = "search", meters = ["sea*"], rates = [{ unit = "calls", amount = "0.05", per = 1 }] },
            { name = "gold", tenants = ["acme"], markup = "0" },
        ]
    """
    assert charged(terms) == "0.15"
    assert charged(terms, "acme") == "0.03"  # what is the tenant's own goes before all


def test_rates_of_a_meter_have_dates() -> None:
    terms = """
        [[customers]]
        name = "search"
        meters = ["search"]
        rates = [
            { unit = "calls", amount = "0.05", per = 1, to = 2026-01-01 },
            { unit = "calls", amount = "0.06", per = 1, from = 2026-01-01 },
        ]
    """
    assert [charged(terms, at_ns=at) for at in (0, 1_767_225_600 * 10**9)] == ["0.15", "0.18"]
