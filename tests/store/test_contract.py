from pathlib import Path

import pytest

from store import ContractError
from store.contract import FOLDER, _read, known_tables, load_contract

TABLES = {"users", "items", "friendships", "exposures", "events", "recommendations", "offers", "features"}


def test_the_fact_tables_of_the_house_have_contracts() -> None:
    assert set(known_tables()) >= TABLES


@pytest.mark.parametrize("table", known_tables())
def test_each_contract_describes_itself_and_gives_money_and_time_a_unit(table: str) -> None:
    contract = load_contract(table)
    assert contract.description and contract.columns and contract.required
    for column in contract.columns:
        assert column.description, column.name
        assert column.required or not column.key
        if column.type == "timestamp":
            assert column.unit == "UTC", column.name


def test_an_unknown_table_is_refused_with_the_known_and_the_nearest() -> None:
    with pytest.raises(
        ContractError, match=r"'exposure' is not known. Known: communities, events, .* Did you mean 'exposures'"
    ):
        load_contract("exposure")


def test_a_contract_with_an_unknown_type_or_property_is_refused(tmp_path: Path) -> None:
    for line, message in [('type = "text"', "type is 'text', must be one of"), ("sort = true", "'sort' is not a prop")]:
        file = tmp_path / f"{message[:4].strip()}.toml"
        file.write_text(f'description = "d"\n[columns.a]\n{line}\n')
        with pytest.raises(ContractError, match=message):
            _read(file)


def test_the_folder_is_the_registry_of_contracts() -> None:
    assert known_tables() == tuple(sorted(file.stem for file in FOLDER.iterdir() if file.suffix == ".toml"))
