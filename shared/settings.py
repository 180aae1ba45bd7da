"""Settings: one frozen msgspec struct per program, from defaults, TOML, environment and command line, in that order.

Reports all problems together, each with its key, or with the variable or option that gave the value; with any problem
the program does not start. Unknown keys are problems, since a misspelt one would silently mean the default.

    hookbus.toml                        environment
    redis_url = "redis://…"             HOOKBUS_REDIS_URL
    [ingest]                            (read by hookbus-ingest; the other program ignores it)
    listen = "0.0.0.0:8080"             HOOKBUS_INGEST_LISTEN
"""

import os
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from . import secret_refs
from .address import Address, RedisUrl, url_problem
from .listen import Listen
from .nearest import did_you_mean, nearest
from .tls import CA_FILE, CERT_FILE, KEY_FILE, SERVER_NAME, Tls, TlsError

DEFAULT_FILE: Final = "hookbus.toml"
FILE_VARIABLE: Final = "HOOKBUS_CONFIG"
"""Names the file if no option does, for a machine whose users share one configuration."""
SECTIONS: Final = ("ingest", "worker")
EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h; systemd shows it by name."""

# Kubernetes injects variables like HOOKBUS_INGEST_PORT_8080_TCP for a Service of that name:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$")

_KEY = re.compile(r"[a-z_]+(?:\.[a-z_]+)?(?=[:.\[])")
"""The key that a problem begins with; what follows names an entry of it."""
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*)`")
"""msgspec's error for a key that a struct does not have."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ConfigError(Exception):
    """A wrong configuration, which the operator must correct: `problems` has one line each. Exit code 78."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Option(NamedTuple):
    """An option of the command line and its value, None if it is not given."""

    name: str
    value: Any


class Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that both programs share. Times in seconds."""

    redis_url: RedisUrl = RedisUrl("redis://127.0.0.1:6379/0")
    """Where Redis is: `redis://`, `rediss://` or `unix://`. As `file:PATH` or `credential:NAME` it is read again for
    each connection, so that a new password is followed."""
    redis_ca_file: str = ""
    """With `rediss://`: certificates to trust in place of the system's. A path, `file:PATH` or `credential:NAME`, like
    the next two. All are read again when they change: a rotation needs no restart."""
    redis_cert_file: str = ""
    """The client certificate, where the server asks for one."""
    redis_key_file: str = ""
    """Its key, unless `redis_cert_file` holds that too."""
    redis_server_name: str = ""
    """The name that the server's certificate must have, where that is not the host in `redis_url`."""
    shards: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Parts that the keys are divided into. The first program that meets an empty Redis fixes the number."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """JSON lines, or readable text on a terminal."""

    def address(self) -> Address:
        """Where Redis is: to be made once in a process, and shared by its connections."""
        return Address(self.redis_url, self._tls())

    def _tls(self) -> Tls:
        return Tls(self.redis_ca_file, self.redis_cert_file, self.redis_key_file, self.redis_server_name)

    def secrets(self) -> list[str]:
        """The settings that are secrets, or refer to files or credentials that hold some."""
        key = self.redis_key_file or self.redis_cert_file  # which may hold the key, too
        if key and not secret_refs.is_reference(key):
            key = secret_refs.FILE + key
        return [self.address().url.reference, key]

    def problems(self) -> list[str]:
        """Problems of the combination of settings, one line each, beginning with the key."""
        if problem := url_problem(self.redis_url):
            return [f"redis_url: {problem}"]
        if self.redis_url.startswith("rediss://"):
            try:
                self._tls().check()
            except TlsError as error:
                return [str(error)]
            return []
        keys = [key for key in (CA_FILE, CERT_FILE, KEY_FILE, SERVER_NAME) if getattr(self, key)]
        return [f"{key}: of no use, as redis_url does not begin with 'rediss://'" for key in keys]


S = TypeVar("S", bound=Common)


def load(
    cls: type[S],
    section: str,
    file: Path | None,
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Option] | None = None,
    extend: Callable[[dict[str, Any]], None] | None = None,
    *,
    table: Mapping[str, Any] | None = None,
    is_partial: bool = False,
) -> S:
    """Build the settings of one program.

    `section` is its table in the file and the word in its variables. `file`, or else the file that `HOOKBUS_CONFIG`
    names, must exist; without either `hookbus.toml` is read if it exists. `overrides` come from the command line. A
    `table`, with the keys of the file, takes the place of file and environment. `extend` may complete the raw values
    before they are checked. `is_partial`: the class has only some of the section's keys. Raises ConfigError.
    """
    problems: list[str] = []
    given: dict[str, str] = {}
    """Key → the variable or option that gave its value."""
    if table is not None:
        raw = _from_table(cls, section, table, "settings", problems, is_partial)
    else:
        if file is None and (named := environ.get(FILE_VARIABLE)):
            file = Path(named)
        raw = _from_file(cls, section, file, problems, is_partial)
        given = _from_environment(cls, section, environ, problems, is_partial)
        raw |= {field: _text_value(environ[variable]) for field, variable in given.items()}
    for field, option in (overrides or {}).items():
        if option.value is not None:
            raw[field], given[field] = option.value, option.name
    given = {_key(section, field): name for field, name in given.items()}
    _read_url_file(raw, problems)
    if extend is not None:
        try:
            extend(raw)
        except ConfigError as error:
            problems += error.problems
    values = _converted(cls, section, raw, problems)
    _name_addresses(values, section, given)
    if not problems:
        settings = cls(**values)
        problems = settings.problems()
        if not problems:
            return settings
    raise ConfigError([_as_given(problem, given) for problem in problems])


def _key(section: str, field: str) -> str:
    """The key of a field in the file."""
    return field if field in Common.__struct_fields__ else f"{section}.{field}"


def _as_given(problem: str, given: Mapping[str, str]) -> str:
    """A problem that begins with a key begins with what gave its value."""
    key = _KEY.match(problem)
    return problem if key is None or key[0] not in given else given[key[0]] + problem[key.end() :]


def _name_addresses(values: Mapping[str, Any], section: str, given: Mapping[str, str]) -> None:
    """Tell addresses to listen on what gave them: whether they can be had shows only later."""
    for field, value in values.items():
        for address in value if isinstance(value, tuple) else (value,):
            if isinstance(address, Listen):
                address.setting = given.get(_key(section, field), _key(section, field))


def _read_url_file(raw: dict[str, Any], problems: list[str]) -> None:
    """Replace a reference by the URL behind it, which may hold a password."""
    url = raw.get("redis_url")
    if isinstance(url, str) and secret_refs.is_reference(url):
        try:
            raw["redis_url"] = RedisUrl(secret_refs.read(url)[0].text, url)
        except ValueError as error:
            problems.append(f"redis_url: {error}")
            del raw["redis_url"]


def _from_file(
    cls: type[Common], section: str, file: Path | None, problems: list[str], is_partial: bool
) -> dict[str, Any]:
    path = file or Path(DEFAULT_FILE)
    if file is None and not path.exists():
        return {}
    import tomllib

    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: not TOML: {error}")
        return {}
    return _from_table(cls, section, table, str(path), problems, is_partial)


def _from_table(
    cls: type[Common], section: str, table: Mapping[str, Any], where: str, problems: list[str], is_partial: bool
) -> dict[str, Any]:
    """The values for one program in a table with a section for each."""
    own = table.get(section, {})
    shared = {key: value for key, value in table.items() if key not in SECTIONS}
    if not isinstance(own, Mapping):
        problems.append(f"{where}: [{section}] must be a table")
        return {}
    common = set(Common.__struct_fields__)
    valid = {key: value for key, value in own.items() if key in cls.__struct_fields__ and key not in common}
    problems += [
        f"{key}: unknown key in {where}{did_you_mean(key, [*common, *SECTIONS])}" for key in shared if key not in common
    ]
    if not is_partial:
        known = set(cls.__struct_fields__) - common
        problems += [
            f"{section}.{key}: unknown key in {where}{did_you_mean(key, known)}" for key in own if key not in valid
        ]
    return shared | valid


def _from_environment(
    cls: type[Common], section: str, environ: Mapping[str, str], problems: list[str], is_partial: bool
) -> dict[str, str]:
    others = tuple(f"HOOKBUS_{name.upper()}_" for name in SECTIONS if name != section)
    prefix = f"HOOKBUS_{section.upper()}_"
    common = set(Common.__struct_fields__)
    found: dict[str, str] = {}
    """Field → the variable that gives its value."""
    for variable, text in environ.items():
        is_ours = variable.startswith("HOOKBUS_") and not variable.startswith(others) and variable != FILE_VARIABLE
        if not is_ours or _SERVICE_LINK.search(variable):
            continue
        own = variable.startswith(prefix)
        key = variable.removeprefix(prefix if own else "HOOKBUS_").lower()
        if key in cls.__struct_fields__ and (key not in common) == own:
            if text.strip():  # `docker compose` and templates set missing variables to ""
                found[key] = variable
        elif not (own and is_partial):
            named = nearest(key, cls.__struct_fields__)
            meant = f"{'HOOKBUS_' if named in common else prefix}{named.upper()}" if named else ""
            problems.append(f"{variable}: unknown variable{meant and f'; did you mean {meant}?'}")
    return found


def _text_value(text: str) -> Any:
    """The value in a variable's text; tables and lists are JSON."""
    if text[:1] in ("{", "["):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _converted(cls: type[Common], section: str, raw: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    return {
        field.name: _value(_key(section, field.name), field.type, raw[field.name], problems)
        for field in msgspec.structs.fields(cls)
        if field.name in raw
    }


def _value(name: str, kind: Any, value: Any, problems: list[str]) -> Any:
    """A setting of its type, None if it has a problem. A table entry by entry, so that a problem names its own."""
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        of_entry = typing.get_args(kind)[1]
        return {key: _value(f"{name}.{key}", of_entry, each, problems) for key, each in value.items()}
    try:
        # Text is lax ("8" for 8) since variables have no types; TOML values are strict.
        return msgspec.convert(value, kind, strict=not isinstance(value, str), dec_hook=_parse)
    except (msgspec.ValidationError, ValueError) as error:
        problem, _, place = str(error).partition(" - at `$")
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        if choices:
            problem = f"{value!r} is none of: {', '.join(choices)}{did_you_mean(str(value), choices)}"
        elif unknown := _UNKNOWN_FIELD.fullmatch(problem):
            problem = f"unknown key {unknown[1]!r}{did_you_mean(unknown[1], getattr(kind, '__struct_fields__', ()))}"
        problems.append(f"{name}{place.removesuffix('`')}: {problem}")
        return None


def _parse(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004 - reported by msgspec
    parse: Callable[[str], Any] = kind.parse if hasattr(kind, "parse") else kind
    return parse(value)
