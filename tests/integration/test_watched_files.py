# SPDX-License-Identifier: Apache-2.0
"""Files that the configuration names: replaced while the provider runs, and taken from systemd's credentials."""


import pytest
from rig.pki import Authority
from rig.process import wait_until
from rig.reload import reload, reload_way, works


class PlainFile:
    """Replaced by rename."""

    def __init__(self, directory, name):
        self.path = directory / name

    def put(self, content, mode):
        new = self.path.with_name(self.path.name + ".new")
        new.write_bytes(content)
        new.chmod(mode)
        new.rename(self.path)


class InPlace(PlainFile):
    """Written over, in the same file."""

    def put(self, content, mode):
        self.path.write_bytes(content)
        self.path.chmod(mode)


class Swapped:
    """As the kubelet does it: the file stands below a symbolic link to a directory, which is replaced."""

    def __init__(self, directory, name):
        self.base = directory / f"volume-{name}"
        self.base.mkdir()
        self.name = name
        self.count = 0
        self.path = self.base / "..data" / name

    def put(self, content, mode):
        self.count += 1
        generation = self.base / f"..generation-{self.count}"
        generation.mkdir()
        (generation / self.name).write_bytes(content)
        (generation / self.name).chmod(mode)
        link = self.base / "..data_tmp"
        link.symlink_to(generation.name)
        link.rename(self.base / "..data")


WAYS = {"rename": PlainFile, "in-place": InPlace, "swap": Swapped}


@pytest.fixture(params=WAYS)
def kind(request):
    return WAYS[request.param]


def trusted(count, provider):
    return provider.wait_record("trust.reloaded", 15, count=count)


def test_the_ca_file(make_provider, tenant, directory, kind):
    """Another one that trusts OpenBao is taken, a bad one is not, and one that does not trust it ends new connections."""
    content = tenant.bao.authority.file.read_bytes()
    file = kind(directory, "ca.pem")
    file.put(content, 0o644)
    provider = make_provider(tenant, **{"openbao.caCertFile": str(file.path)}).start(wait="healthy")
    file.put(b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n", 0o644)
    warning = wait_until(lambda: [record for record in provider.records("warning")
                                  if "the old trust stays" in record.get("detail", "")], 15, "a bad file is told of")
    assert str(file.path) in warning[0]["cause"]
    works(provider)
    file.put(content + content, 0o644)
    trusted(1, provider)
    works(provider)
    file.put(Authority(directory / "other").file.read_bytes(), 0o644)
    trusted(2, provider)
    provider.wait_record("openbao.request", 15, status="error", error_class="openbao_tls_failed")
    file.put(content, 0o644)
    trusted(3, provider)
    provider.wait_healthy(45)
    works(provider)


def ends_soon(provider):
    return [record for record in provider.records("warning") if "the CA certificate" in record.get("detail", "")]


def test_a_ca_file_that_ends_soon(make_provider, tenant, directory, authority, notify):
    """Told of once at each start and once a day, with what to do, until it is replaced; and it is used meanwhile."""
    file = PlainFile(directory, "ca.pem")
    file.put(authority.until(days=13.5), 0o644)
    provider = make_provider(tenant, **{"openbao.caCertFile": str(file.path)})
    provider.start(wait="healthy", environment={"NOTIFY_SOCKET": notify.path})
    warning = wait_until(lambda: ends_soon(provider), 10, "it is told of")[0]
    assert "ends in 13 days" in warning["detail"] and "successor" in warning["detail"]
    assert "openbao.caCertFile" in warning["detail"] and 13 * 86400 < warning["ttl_seconds"] < 14 * 86400
    while "the CA certificate ends in 13 days" not in notify.wait("STATUS="):
        pass
    file.put(authority.until(days=30), 0o644)
    trusted(1, provider)
    while "CA certificate" in notify.wait("STATUS=", 40):  # each half a minute
        pass
    assert len(ends_soon(provider)) == 1
    assert provider.stop() == 0


def test_a_ca_file_with_unsafe_permissions_is_not_taken(make_provider, tenant, directory):
    content = tenant.bao.authority.file.read_bytes()
    file = PlainFile(directory, "ca.pem")
    file.put(content, 0o644)
    provider = make_provider(tenant, **{"openbao.caCertFile": str(file.path)}).start(wait="healthy")
    file.put(Authority(directory / "other").file.read_bytes(), 0o666)
    wait_until(lambda: any("0666" in record.get("cause", "") for record in provider.records("warning")), 15, "told of")
    works(provider)
    assert not provider.records("trust.reloaded")


def test_the_watch_follows_a_reload(make_provider, tenant, directory):
    content = tenant.bao.authority.file.read_bytes()
    first, second = PlainFile(directory, "first.pem"), PlainFile(directory, "second.pem")
    first.put(content, 0o644)
    second.put(content, 0o644)
    provider = make_provider(tenant, **{"openbao.caCertFile": str(first.path)}).start(wait="healthy")
    reload_way(provider, **{"openbao.caCertFile": str(second.path)})
    wait_until(lambda: len(list((provider.directory / "runtime").iterdir())) == 1, 5, "the former way is closed")
    first.put(b"nothing of ours", 0o644)
    second.put(content + content, 0o644)
    trusted(1, provider)
    assert not any("old trust" in record.get("detail", "") for record in provider.records("warning"))


def test_the_jwt_file(make_provider, fresh_tenant, directory, kind):
    """A login that fails of its JWT passes as soon as there is another one."""
    file = kind(directory, "identity.jwt")
    file.put(fresh_tenant.signer.sign(-60).encode(), 0o640)
    provider = make_provider(fresh_tenant, **{"auth.jwt.jwtFile": str(file.path)}).start()
    provider.wait_record("auth.login", status="error", error_class="credential_invalid")
    file.put(fresh_tenant.signer.sign().encode(), 0o640)
    provider.wait_healthy(15)
    works(provider)


# systemd's credentials


@pytest.fixture
def credentials(directory):
    """As systemd makes it: a directory of mode 0500 with files of mode 0400."""
    made = directory / "credentials"
    made.mkdir(mode=0o700)
    yield made
    made.chmod(0o700)


def put(directory, name, content):
    directory.chmod(0o700)
    path = directory / name
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o400)
    directory.chmod(0o500)


def test_credentials(make_provider, tenant, credentials):
    put(credentials, "ca", tenant.bao.authority.file.read_bytes())
    put(credentials, "jwt", tenant.signer.sign().encode())
    provider = make_provider(tenant, **{"openbao.caCertFile": "credential:ca", "auth.jwt.jwtFile": "credential:jwt"})
    provider.start(wait="healthy", environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    works(provider)
    # A name that is not there is an error of a CA file at a reload, and of a JWT at the next login.
    record = reload(provider, **{"openbao.caCertFile": "credential:nothing", "auth.jwt.jwtFile": "credential:jwt"})
    assert record["status"] == "error" and "nothing" in record["cause"]
    reload_way(provider, **{"auth.jwt.jwtFile": "credential:jwt"})
    works(provider)


def test_a_credential_may_be_a_link_but_no_other_file(make_provider, tenant, credentials, directory):
    """Below the credentials' directory only, and never unsafe."""
    put(credentials, "real", tenant.bao.authority.file.read_bytes())
    put(credentials, "jwt", tenant.signer.sign().encode())
    credentials.chmod(0o700)
    (credentials / "ca").symlink_to("real")
    credentials.chmod(0o500)
    names = {"openbao.caCertFile": "credential:ca", "auth.jwt.jwtFile": "credential:jwt"}
    provider = make_provider(tenant, **names)
    provider.start(wait="healthy", environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    link = directory / "link.pem"
    link.symlink_to(tenant.bao.authority.file)
    record = reload(provider, **{**names, "openbao.caCertFile": str(link)})
    assert record["status"] == "error" and "symbolic link" in record["cause"]
    for reference in ("credential:", "credential:..", "credential:../ca", "credential:a/b"):
        record = reload(provider, **{**names, "openbao.caCertFile": reference})
        assert record["status"] == "error"
    put(credentials, "unsafe", tenant.bao.authority.file.read_bytes())
    (credentials / "unsafe").chmod(0o666)
    record = reload(provider, **{**names, "openbao.caCertFile": "credential:unsafe"})
    assert record["status"] == "error" and "0666" in record["cause"]
    works(provider)
