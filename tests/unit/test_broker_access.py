"""Are Mosquitto's users and rights what the registry says?"""

import base64
import os

from hub.broker.access import acl_file, hash_password, is_password, new_password, password_file
from hub.broker.keeper import BrokerFiles, keep


def test_a_password_is_known_by_its_hash_alone():
    password = new_password()
    hashed = hash_password(password)
    assert password not in hashed
    assert is_password(password, hashed)
    assert not is_password(new_password(), hashed)


def test_it_hashes_as_mosquitto_does():
    # Made by mosquitto_passwd 2.0.11 for the password "secret".
    hashed = (
        "$7$101$ycsIi7+lLhXzgMf/$"
        "OqwerpXZVwuD3TB6fCTX1aXvv9Ca/wkPOWg3eyKjWzra5N0Z7jwfSpxSRqby3wnn8WDVfMJQFc26LKZg9CeYKA=="
    )
    assert hash_password("secret", base64.b64decode("ycsIi7+lLhXzgMf/")) == hashed
    assert is_password("secret", hashed)


def test_rights_name_no_device_but_those_that_are_shut_out():
    rights = acl_file("hub", ["bad-1", "bad-2"])
    for device in ("bad-1", "bad-2"):
        assert f"user {device}\ntopic deny #\n\n" in rights
    rights = acl_file("hub")
    assert "deny" not in rights
    assert "pattern write v1/devices/%u/readings" in rights
    for user in ("hub", "hub-2", "hub-8"):
        assert f"user {user}\ntopic read v1/devices/+/readings" in rights
    assert "stadsnav-doctor" not in rights


def test_files_are_written_once_and_only_when_they_change(tmp_path):
    files = BrokerFiles(tmp_path / "passwords", tmp_path / "acl", None, "hub", "$7$1$a$b")
    assert keep(files, [("d-1", "h1")])
    assert files.passwords.read_text() == password_file(("hub", "$7$1$a$b"), [("d-1", "h1")])
    assert not keep(files, [("d-1", "h1")])
    assert keep(files, [], ["d-1"])
    assert "d-1" not in files.passwords.read_text()
    assert "user d-1\ntopic deny #" in files.acl.read_text()
    assert not keep(files, [], ["d-1"])
    assert files.passwords.stat().st_mode & 0o077 == 0


def test_a_broker_that_is_away_does_not_matter(tmp_path):
    pid_file = tmp_path / "pid"
    pid_file.write_text("not a number")
    files = BrokerFiles(tmp_path / "passwords", tmp_path / "acl", pid_file, "hub", "h")
    assert keep(files, [])
    assert os.listdir(tmp_path)  # noqa: PTH208


def test_a_second_user_name_has_the_rights_of_its_device_and_no_more():
    rights = acl_file("hub", [], ["d-1", "d-1@2", "d-2"])
    assert rights.count("@2") == 1
    own = "topic write v1/devices/d-1/readings\ntopic read v1/devices/d-1/receipts\n"
    assert f"user d-1@2\n{own}\n" in rights


def test_nobody_else_is_told_to_read_its_users_again(tmp_path, caplog):
    """SIGHUP would end this very process, whose number a stale file names."""
    pid = tmp_path / "pid"
    pid.write_text(str(os.getpid()))
    files = BrokerFiles(tmp_path / "passwords", tmp_path / "acl", pid, "hub", "$7$1$a$b")
    assert keep(files, [("d-1", "h1")])
    assert "which is no mosquitto" in caplog.text
