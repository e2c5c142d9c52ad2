"""Who is let in to a page, by its flags."""

from pathlib import Path

import pytest
from absl import flags

from cmgen.utils.errors import UserError
from cmgen.utils.web.access import LOOPBACK, Access
from cmgen.utils.web.flags import define_page_flags, read_access

PASSWORD = "open sesame, please"


def read(*arguments: str) -> Access:
    values = flags.FlagValues()
    define_page_flags(values, 8000, "CMGEN_TEST_PASSWORD")
    values(["main", *arguments])
    return read_access(values, "CMGEN_TEST_PASSWORD")


def test_loopback_needs_no_password_and_is_called_by_its_names_alone() -> None:
    for host in LOOPBACK:
        assert read(f"--host={host}") == Access()
    assert Access().hosts == LOOPBACK
    assert Access(PASSWORD).hosts is None


def test_others_need_a_flag_and_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "password.txt"
    file.write_text(f"  {PASSWORD}\n")
    for host in ("0.0.0.0", "", "::", "127.0.0.2", "192.0.2.1", "example.org"):
        with pytest.raises(UserError, match="--allow_remote"):
            read(f"--host={host}", f"--password_file={file}")
        with pytest.raises(UserError, match="--password_file"):
            read(f"--host={host}", "--allow_remote")
        assert capsys.readouterr().err == ""
        found = read(f"--host={host}", "--allow_remote", f"--password_file={file}")
        assert found.password == PASSWORD
        assert "not encrypted; put a proxy that speaks HTTPS" in capsys.readouterr().err
    monkeypatch.setenv("CMGEN_TEST_PASSWORD", PASSWORD)
    assert read("--host=0.0.0.0", "--allow_remote").password == PASSWORD
    assert read("--proxy=127.0.0.1").proxy == "127.0.0.1"


@pytest.mark.parametrize(
    "text", ["", "sesame", "eleven char", "a" * 11 + "\n" * 9, "two\nlong lines"]
)
def test_short_passwords_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password.txt"
    file.write_text(text)
    with pytest.raises(UserError, match="one line of at least 12"):
        read(f"--password_file={file}")


def test_a_proxy_is_an_address_behind_which_a_password_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match="--password_file"):
        read("--proxy=127.0.0.1")
    monkeypatch.setenv("CMGEN_TEST_PASSWORD", PASSWORD)
    with pytest.raises(UserError, match="not an address"):
        read("--proxy=*")
