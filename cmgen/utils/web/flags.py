"""Flags shared by the mains that serve a page: where it listens and who may call it.

By default a page serves this computer alone; remote callers need `--allow_remote` and a password.
"""

import ipaddress
import os
import sys
from pathlib import Path

from absl import flags

from cmgen.utils.errors import UserError
from cmgen.utils.web.access import LOOPBACK, Access

PAGE_FLAGS = ("host", "port", "allow_remote", "password_file", "proxy", "requests_per_minute")
MIN_PASSWORD = 12  # characters: at 10 tries a minute even a simple one takes centuries


def define_page_flags(flag_values: flags.FlagValues, port: int, variable: str) -> None:
    """Defines PAGE_FLAGS for a main that serves a page.

    Args:
      flag_values: the main's.
      port: the default.
      variable: environment variable that may hold the password.
    """
    flags.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen on; any but loopback needs --allow_remote and a password.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "port",
        port,
        "Port to listen on.",
        lower_bound=1,
        upper_bound=65535,
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "allow_remote", False, "Take a --host beyond loopback.", flag_values=flag_values
    )
    flags.DEFINE_string(
        "password_file",
        None,
        f"File with the password that visitors must give, of {MIN_PASSWORD} letters or more; or set "
        f"${variable}.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "proxy",
        "",
        "Address of a proxy in front of the page, which tells callers apart by X-Forwarded-For.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "requests_per_minute",
        Access.requests_per_minute,
        "Requests of one caller; 0: no limit.",
        lower_bound=0,
        flag_values=flag_values,
    )


def read_access(flag_values: flags.FlagValues, variable: str) -> Access:
    """Checks the page's flags; raises a UserError where strangers would get in too easily.

    Warns on stderr of what a password does not protect from.
    """
    host, proxy = flag_values.host, flag_values.proxy
    password = _read_password(flag_values.password_file, variable)
    give = f"give a --password_file, or set ${variable}"
    if host not in LOOPBACK:
        if not flag_values.allow_remote:
            raise UserError(
                f"--host={host}: others could reach the page; leave it out, or give --allow_remote "
                "and a --password_file"
            )
        if not password:
            raise UserError(f"--host={host} --allow_remote: others could reach the page; {give}")
        print(
            f"--host={host}: what visitors send, their password too, is not encrypted; put a proxy "
            "that speaks HTTPS before it where the network isn't your own (see --proxy).",
            file=sys.stderr,
        )
    if proxy and not password:
        raise UserError(f"--proxy={proxy}: others can reach the page through it; {give}")
    if proxy:
        _check_address(proxy)
    return Access(password, proxy, flag_values.requests_per_minute)


def _check_address(proxy: str) -> None:
    try:
        ipaddress.ip_address(proxy)
    except ValueError as error:
        raise UserError(f"--proxy={proxy}: not an address; write e.g. --proxy=127.0.0.1") from error


def _read_password(file: str | None, variable: str) -> str:
    """Returns the password without surrounding blanks; empty if none is given."""
    if file:
        where = f"--password_file={file}"
        try:
            password = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{where}: can't be read ({error})") from error
    elif variable in os.environ:
        where, password = f"${variable}", os.environ[variable].strip()
    else:
        return ""
    if len(password) < MIN_PASSWORD or not password.isprintable():
        raise UserError(
            f"{where}: has {len(password)} characters; write one line of at least {MIN_PASSWORD} into it"
        )
    return password
