"""Is a mapping file checked when it is read, and bounded when it is used?"""

import pytest

from connectors.formats import decoder
from connectors.mapping.expressions import compiled
from connectors.mapping.topics import filled, names_in, pattern
from hub.domain.intake import Decoded, Limits, Reason
from hub.errors import ConfigurationError

MESSAGE = '[[message]]\ndevice = {path = "id"}\n'
VALUE = '[[message.value]]\nproperty = "no2"\npath = "no2"\n'


@pytest.fixture
def mapping(tmp_path):
    def write(text):
        path = tmp_path / "m.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[message", "is no TOML"),
        ("", "message: Field required"),
        (MESSAGE, "message.1.value: Field required"),
        (MESSAGE + VALUE + 'unit = "furlong"', "message.1.value.1.unit: 'furlong' is no UCUM unit"),
        (MESSAGE + VALUE + "scal = 2", "message.1.value.1.scal: Extra inputs"),
        (MESSAGE + VALUE + "scale = nan", "message.1.value.1.scale: Input should be a finite"),
        (MESSAGE + VALUE.replace('"no2"\npath', '"NO2"\npath'), "not a valid id"),
        (MESSAGE + VALUE.replace('path = "no2"', 'path = "a["'), "'a[' is no JMESPath"),
        (MESSAGE + VALUE.replace('path = "no2"', "path = 1"), "must be a JMESPath in quotes"),
        (MESSAGE + 'topic = "a/#/b"\n' + VALUE, "is no topic pattern: '#' must be"),
        (MESSAGE + 'topic = "{a}/{a}"\n' + VALUE, "is no topic pattern"),
        (MESSAGE + 'time = {path = "t", as = "min"}\n' + VALUE, "message.1.time.as"),
        ('[[message]]\ndevice = {topic = "{site}"}\n' + VALUE, "has no level {site}"),
        ('[[message]]\ndevice = {topic = "{Site"}\n' + VALUE, "has braces that are no name"),
    ],
)
def test_what_is_wrong_ends_the_start_with_one_line(mapping, text, said):
    with pytest.raises(ConfigurationError) as raised:
        decoder(mapping(text), Limits())
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said_to_be():
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read"):
        decoder("nowhere.toml", Limits())


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ["a"]),
        ("a.b[0].c", ["a", "b", 0, "c"]),
        ('"x-y"[-1]', ["x-y", -1]),
        ("@", []),
        ("a[]", None),
        ("a[?b]", None),
        ("to_number(a)", None),
        ("a || b", None),
    ],
)
def test_names_and_indexes_are_followed_and_all_else_is_searched(text, steps):
    assert compiled(text).steps == steps


@pytest.mark.parametrize(
    "text", ["a.b[0].c", "a.b[-1].c", "a.b[7].c", "a.x.y", "@", "a[0]", "x[0]"]
)
def test_what_is_followed_finds_what_jmespath_would(text):
    document = {"a": {"b": [{"c": 1}, {"c": None}]}}
    expression = compiled(text)
    assert expression.find(document) == expression.compiled.search(document)


def test_a_search_through_too_much_is_refused(mapping):
    decode = decoder(
        mapping(MESSAGE + VALUE.replace('path = "no2"', 'path = "a[*].b | [0]"')), Limits()
    )
    few = b'{"id": "d", "a": [' + b",".join([b'{"b": 1}'] * 100) + b"]}"
    many = b'{"id": "d", "a": [' + b",".join([b'{"b": 1}'] * 9_000) + b"]}"
    assert decode("t", few) == [Decoded("d", "no2", None, 1.0, None)]
    assert [item.reason for item in decode("t", many)] == [Reason.TOO_MANY_VALUES]


def test_a_search_in_each_of_many_parts_is_refused(mapping):
    text = '[[message]]\neach = "a"\ndevice = {path = "to_string(id)"}\n'
    decode = decoder(mapping(text + VALUE.replace('path = "no2"', 'path = "abs(no2)"')), Limits())
    part = b'{"id": "d", "no2": -1}'
    assert len(decode("t", b'{"a": [' + b",".join([part] * 100) + b"]}")) == 100
    [refused] = decode("t", b'{"a": [' + b",".join([part] * 4_999) + b"]}")
    assert refused.reason is Reason.TOO_MANY_VALUES


def test_more_parts_than_a_message_may_have_values_are_refused(mapping):
    decode = decoder(mapping('[[message]]\neach = "a"\ndevice = {path = "id"}\n' + VALUE), Limits())
    payload = b'{"a": [' + b",".join([b'{"id": 1, "no2": 1}'] * 5_001) + b"]}"
    assert [item.reason for item in decode("t", payload)] == [Reason.TOO_MANY_VALUES]


def test_a_function_that_fails_is_a_reason(mapping):
    decode = decoder(
        mapping(MESSAGE + VALUE.replace('path = "no2"', 'path = "abs(no2)"')), Limits()
    )
    assert [item.reason for item in decode("t", b'{"id": "d", "no2": "x"}')] == [Reason.WRONG_SHAPE]


@pytest.mark.parametrize("digits", [400, 4_299])
def test_an_integer_beyond_any_float_is_a_reason(mapping, digits):
    text = MESSAGE + VALUE + 'words = {"1" = 2}\n'
    decode, big = decoder(mapping(text), Limits()), b"1" * digits
    assert [i.reason for i in decode("t", b'{"id": "d", "no2": %s}' % big)] == [Reason.BAD_VALUE]
    assert [i.reason for i in decode("t", b'{"id": %s, "no2": 1}' % big)] == [Reason.BAD_VALUE]


def test_a_pattern_names_levels_and_a_template_uses_them():
    match = pattern("a/{site}/+/#").fullmatch("a/north/x/y/z")
    assert filled("{site}-1", match.groupdict()) == "north-1"
    assert names_in("{site}-{unit}") == {"site", "unit"}
    assert pattern("a/{site}").fullmatch("a/b/c") is None
