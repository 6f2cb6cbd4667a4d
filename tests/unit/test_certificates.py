"""Are certificates made as brokers, browsers and devices need them, and are bad ones told?"""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.certificates.folder import CertificateFolder, Kind, Standing
from hub.certificates.issuing import general_name, requested_key
from hub.certificates.reading import check_authorities, check_pair, read
from hub.errors import ConfigurationError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PAIR = "STADSNAV_API_CERTIFICATE_FILE", "STADSNAV_API_KEY_FILE"


@pytest.fixture
def folder(tmp_path):
    made = CertificateFolder(tmp_path / "certificates")
    made.make_authority("Test", now=NOW, days=3_650)
    return made


def issue(folder, name="noise-1", kind=Kind.DEVICE, now=NOW, days=365, **options):
    return folder.issue(kind, name, now=now, days=days, **options)


def parse(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def test_an_authority_signs_leaves_and_nothing_else(folder):
    made = parse(folder.authority.certificate)
    limits = extension(made, x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    usage = extension(made, x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert made.not_valid_after_utc == NOW + 3_650 * DAY
    assert isinstance(made.public_key().curve, ec.SECP256R1)
    made.verify_directly_issued_by(made)


def test_a_server_is_known_by_its_addresses(folder):
    addresses = ["broker.example.city", "localhost", "127.0.0.1", "::1"]
    made = parse(issue(folder, "broker", Kind.SERVER, addresses=addresses).certificate)
    names = extension(made, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example.city", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"),
    ]  # fmt: skip
    assert list(extension(made, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_device_is_its_subject_and_cannot_serve(folder):
    made = parse(issue(folder).certificate)
    assert made.subject.rfc4514_string() == "CN=noise-1"
    assert list(extension(made, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extension(made, x509.BasicConstraints).value.ca
    usage = extension(made, x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    with pytest.raises(x509.ExtensionNotFound):
        extension(made, x509.SubjectAlternativeName)
    made.verify_directly_issued_by(parse(folder.authority.certificate))


def test_it_is_valid_since_an_hour_and_for_as_long_as_was_asked(folder):
    made = parse(issue(folder, days=7).certificate)
    assert made.not_valid_before_utc == NOW - timedelta(hours=1)
    assert made.not_valid_after_utc == NOW + 7 * DAY


def test_nothing_outlives_its_authority(folder):
    made = parse(issue(folder, days=9_999).certificate)
    assert made.not_valid_after_utc == NOW + 3_650 * DAY
    with pytest.raises(ConfigurationError, match="2036-11-17 only"):
        issue(folder, "late", now=NOW + 3_651 * DAY)


def test_keys_are_private_and_certificates_are_not(folder):
    pair = issue(folder)
    for key in (folder.authority.key, pair.key):
        assert key.stat().st_mode & 0o777 == 0o600
    for public in (folder.authority.certificate, pair.certificate, folder.revocations):
        assert public.stat().st_mode & 0o777 == 0o644


def test_nothing_is_overwritten_unless_asked(folder):
    pair = issue(folder)
    before = pair.certificate.read_bytes(), pair.key.read_bytes()
    with pytest.raises(ConfigurationError, match="--replace"):
        issue(folder)
    with pytest.raises(ConfigurationError, match="has an authority already"):
        folder.make_authority("Another", now=NOW, days=1)
    assert (pair.certificate.read_bytes(), pair.key.read_bytes()) == before
    issue(folder, replace=True)
    assert pair.certificate.read_bytes() != before[0]
    check_pair(PAIR, pair.certificate, pair.key, NOW)


def test_a_folder_without_authority_says_how_to_make_one(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="admin certificates authority"):
        issue(CertificateFolder(tmp_path / "empty"))
    with pytest.raises(ConfigurationError, match="no folder"):
        issue(CertificateFolder(tmp_path / "nothing"))


def standings(folder, now=NOW):
    return [(entry.name, entry.standing) for entry in folder.entries(now)]


def test_the_list_tells_what_became_of_each(folder):
    issue(folder, "a", days=1)
    issue(folder, "b")
    issue(folder, "b", replace=True)
    issue(folder, "c")
    folder.revoke("c", now=NOW)
    assert standings(folder, NOW + 2 * DAY) == [
        ("a", Standing.EXPIRED),
        ("b", Standing.VALID),
        ("b", Standing.SUPERSEDED),
        ("c", Standing.REVOKED),
    ]
    newest = folder.entries(NOW)[1].serial
    assert newest == parse(folder.pair(Kind.DEVICE, "b").certificate).serial_number


def revoked(folder):
    listed = x509.load_pem_x509_crl(folder.revocations.read_bytes())
    assert listed.is_signature_valid(parse(folder.authority.certificate).public_key())
    return listed


def test_revoking_adds_to_a_list_that_is_always_newer(folder):
    lists = [revoked(folder)]
    for number in (1, 2, 3):
        issue(folder, f"noise-{number}")
        [gone] = folder.revoke(f"noise-{number}", now=NOW)
        assert gone.name == f"noise-{number}"
        lists.append(revoked(folder))
    assert [len(listed) for listed in lists] == [0, 1, 2, 3]
    times = [listed.last_update_utc for listed in lists]
    assert times == sorted(set(times))
    assert lists[-1].next_update_utc == NOW + 3_650 * DAY


def test_what_a_newer_one_replaced_can_be_revoked_alone(folder):
    first = parse(issue(folder).certificate).serial_number
    second = parse(issue(folder, replace=True).certificate).serial_number
    assert [e.serial for e in folder.revoke("noise-1", now=NOW, superseded_only=True)] == [first]
    assert [e.serial for e in folder.revoke("noise-1", now=NOW)] == [second]
    assert folder.revoke("noise-1", now=NOW) == []
    with pytest.raises(ConfigurationError, match="never issued"):
        folder.revoke("noise-9", now=NOW)


def request(key, name="whatever"):
    digest = None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return built.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def test_of_a_request_only_the_key_counts(folder):
    key = rsa.generate_private_key(65_537, 2_048)
    pair = issue(folder, requested=requested_key(request(key, "stadsnav-hub")))
    made = parse(pair.certificate)
    assert made.subject.rfc4514_string() == "CN=noise-1"
    assert made.public_key() == key.public_key()
    assert not pair.key.exists()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (rsa.generate_private_key(65_537, 1_024), "1024 bits"),  # noqa: S505  that is the point
        (ed448.Ed448PrivateKey.generate(), "neither"),
    ],
    ids=["short", "unusual"],
)
def test_a_weak_request_is_refused(key, told):
    with pytest.raises(ValueError, match=told):
        requested_key(request(key))


@pytest.mark.parametrize("address", ["", "a b", "-a", "a/b", "a..b", "ä.se", "a_b", "x" * 64])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        general_name(address)


def test_files_that_do_not_belong_together_are_told(folder, tmp_path):
    one, two = issue(folder), issue(folder, "noise-2")
    check_pair(PAIR, one.certificate, one.key, NOW)
    junk = tmp_path / "junk"
    junk.write_text("junk")
    locked = tmp_path / "locked"
    key = serialization.load_pem_private_key(one.key.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for certificate, private, told in (
        (one.certificate, two.key, "is not the key of the certificate"),
        (one.certificate, locked, "passphrase"),
        (one.certificate, junk, "no private key"),
        (one.certificate, tmp_path / "nowhere", r"STADSNAV_API_KEY_FILE .*No such file"),
        (junk, one.key, r"STADSNAV_API_CERTIFICATE_FILE .*no certificate in PEM"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            check_pair(PAIR, certificate, private, NOW)


def test_what_is_out_of_its_time_is_told(folder):
    pair, authority = issue(folder, days=10), folder.authority.certificate
    with pytest.raises(ConfigurationError, match="'noise-1' expired on 2026-11-30"):
        check_pair(PAIR, pair.certificate, pair.key, NOW + 11 * DAY)
    with pytest.raises(ConfigurationError, match="is this clock right"):
        check_pair(PAIR, pair.certificate, pair.key, NOW - DAY)
    with pytest.raises(ConfigurationError, match="'Test' expired"):
        check_authorities("STADSNAV_MQTT_CA_FILE", authority, NOW + 3_651 * DAY)


def test_an_authority_is_asked_for_and_no_leaf(folder):
    check_authorities("STADSNAV_MQTT_CA_FILE", folder.authority.certificate, NOW)
    with pytest.raises(ConfigurationError, match="'noise-1', which may sign no other"):
        check_authorities("STADSNAV_MQTT_CA_FILE", issue(folder).certificate, NOW)


def test_a_bundle_is_good_while_one_of_its_authorities_is(folder, tmp_path):
    old = CertificateFolder(tmp_path / "old")
    old.make_authority("Old", now=NOW - 100 * DAY, days=50)
    bundle = tmp_path / "bundle.crt"
    both = old.authority.certificate.read_bytes() + folder.authority.certificate.read_bytes()
    bundle.write_bytes(both)
    check_authorities("STADSNAV_MQTT_CA_FILE", bundle, NOW)
    assert [seen.name for seen in read("bundle", bundle)] == ["Old", "Test"]
