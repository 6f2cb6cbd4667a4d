"""What may happen to a device, and what is a good table of them?"""

import io
from itertools import product

import pytest

from hub.commands.admin.device_table import FaultyTable, read_table
from hub.domain.devices import DeviceAction, IllegalStep, device_of_user, step, user_name
from hub.domain.sensing import ConflictRule, DeviceState, Position

# DESIGN's states, written down a second time.
EXPECTED = {
    "planned": {
        "activate": "active", "quarantine": "quarantined", "decommission": "decommissioned",
    },
    "active": {
        "activate": "active", "maintain": "maintenance", "quarantine": "quarantined",
        "decommission": "decommissioned",
    },
    "maintenance": {
        "activate": "active", "maintain": "maintenance", "quarantine": "quarantined",
        "decommission": "decommissioned",
    },
    "quarantined": {
        "quarantine": "quarantined", "release": "active", "decommission": "decommissioned",
    },
    "decommissioned": {"decommission": "decommissioned"},
}  # fmt: skip


@pytest.mark.parametrize(("state", "action"), list(product(DeviceState, DeviceAction)))
def test_a_device_takes_the_steps_that_design_has_and_no_others(state, action):
    to = EXPECTED[state].get(action)
    if to is None:
        with pytest.raises(IllegalStep, match=f"a device that is {state} cannot be"):
            step(state, action)
    else:
        assert step(state, action) == to


def test_user_names_lead_back_to_the_device():
    for slot in (1, 2):
        assert device_of_user(user_name("noise-1", slot)) == "noise-1"
    assert user_name("noise-1", 1) == "noise-1"


HEADER = "id,organisation,properties,kind,name,lon,lat,moving,tags,state,on_conflict\n"


def table(*lines, header=HEADER):
    return read_table(io.StringIO(header + "\n".join(lines)))


def test_a_line_is_a_device():
    [bus, plain] = table(
        'bus-7,region,temperature speed,bus,"Bus 7, red",,,yes,line-4 night,planned,overwrite',
        "n-1,environment,laeq,,,17.95,59.45,,,,",
    )
    assert bus.device.name == "Bus 7, red"
    assert (bus.device.moving, bus.device.state) == (True, DeviceState.PLANNED)
    assert (bus.observes, bus.tags) == (("temperature", "speed"), ("line-4", "night"))
    assert bus.on_conflict is ConflictRule.OVERWRITE
    assert plain.device.position == Position(17.95, 59.45)
    assert (plain.device.kind, plain.device.name) == ("sensor", "n-1")


def test_three_columns_are_enough():
    [one] = table("n-1,environment,laeq", header="id,organisation,properties\n")
    assert one.observes == ("laeq",)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("N-1,environment,laeq,,,,,,,,", "line 2: 'N-1' is not a valid id"),
        ("stadsnav-hub,environment,laeq,,,,,,,,", "the hub's own"),
        ("n-1,environment,,,,,,,,,", "'properties' is empty"),
        ("n-1,environment,laeq,,,17.9,,,,,", "'lon' and 'lat' are degrees"),
        ("n-1,environment,laeq,,,59.4,197,,,,", "'lon' and 'lat' are degrees"),
        ("n-1,environment,laeq,,,nan,59,,,,", "'lon' and 'lat' are degrees"),
        ("n-1,environment,laeq,,,,,perhaps,,,", "'moving' is true or false"),
        ("n-1,environment,laeq,,,,,,,quarantined,", "planned or active or maintenance"),
        ("n-1,environment,laeq,,,,,,,,guess", "keep or overwrite"),
        ("n-1,environment,laeq,,,,,,,,,extra", "more fields than the header"),
        ('n-1,environment,"laeq', "unexpected end of data"),
        ("", "there is no device"),
    ],
)
def test_a_faulty_line_is_named(line, says):
    with pytest.raises(FaultyTable, match=says):
        table(line)


def test_every_faulty_line_is_named_at_once_up_to_twenty():
    with pytest.raises(FaultyTable) as caught:
        table(*("Bad,environment,laeq,,,,,,,," for _ in range(25)))
    told = str(caught.value).splitlines()
    assert told[0] == "25 lines are wrong"
    assert len(told) == 22
    assert told[-1].strip() == "… and 5 more"


def test_the_same_id_twice_is_a_fault():
    with pytest.raises(FaultyTable, match="line 3: 'n-1' is in line 2 already"):
        table("n-1,environment,laeq,,,,,,,,", "n-1,environment,laeq,,,,,,,,")


def test_columns_are_known_by_name():
    with pytest.raises(FaultyTable, match="lacks organisation, properties"):
        table("n-1", header="id\n")
    with pytest.raises(FaultyTable, match="unknown column 'colour'"):
        table("n-1,e,laeq,red", header="id,organisation,properties,colour\n")
