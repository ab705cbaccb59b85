"""Environment variables: each is declared once, and read in this module only.

>>> DOWNLOAD.parse("Never")
'never'
>>> TIMEOUT.parse("")
30.0
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .errors import BadParameter
from .setting_values import (
    InvalidValue,
    to_consent,
    to_folder,
    to_folders,
    to_megapixels,
    to_seconds,
    to_switch,
    to_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
PREFIX = "UNDERDRAWING_"
"""Start of the names of this project's own variables."""


class Fault(NamedTuple):
    """A variable with a useless value. what: the fault, to follow name and value. fix: the next step."""

    name: str
    value: str
    what: str
    fix: str


@dataclass(frozen=True)
class Variable(Generic[T]):
    """One environment variable. An empty value counts as unset.

    convert: from a text to the value, raising InvalidValue. allowed: allowed values, for help texts. default: text that
    stands for an unset variable. spellings: other names that mean the same. read_by: the library that reads it, when
    this project only documents and checks it.
    """

    name: str
    help: str
    convert: Callable[[str], T]
    allowed: str
    default: str = ""
    spellings: tuple[str, ...] = ()
    read_by: str = ""

    def parse(self, text: str) -> T:
        """Value of a text, or the default of an empty one. Raises InvalidValue."""
        return self.convert(text.strip() or self.default)

    def read(self) -> T:
        """Current value. Raises BadParameter naming the variable."""
        name = self.find_name()
        text = os.environ.get(name, "").strip()
        try:
            return self.parse(text)
        except InvalidValue as error:
            raise BadParameter(f"{text!r} {error.what}", where=name, fix=error.fix) from error

    def read_or_default(self, warn: Callable[[str], object]) -> T:
        """Current value; a useless one is reported to `warn`, and the default counts."""
        try:
            return self.read()
        except BadParameter as error:
            warn(str(error))
            return self.convert(self.default)

    def find_name(self) -> str:
        """The spelling that is set, the first one where several are."""
        return next((name for name in (self.name, *self.spellings) if os.environ.get(name, "").strip()), self.name)


DOWNLOAD = Variable(
    "UNDERDRAWING_DOWNLOAD",
    "What happens when weights are missing: ask asks on a terminal and stops with the exact command elsewhere. Nothing "
    "is downloaded without consent.",
    to_consent,
    "ask, always or never",
    default="ask",
)
CACHE = Variable(
    "UNDERDRAWING_CACHE", "Folder for downloaded weights, in place of a host's or the user's.", to_folder, "folder"
)
WEIGHTS = Variable(
    "UNDERDRAWING_WEIGHTS",
    "More folders in which weights are looked for, separated as in PATH.",
    to_folders,
    "folders",
)
HOSTS = Variable(
    "UNDERDRAWING_HOSTS", "Roots of ComfyUI, A1111 or Forge whose weights are used in place.", to_folders, "folders"
)
TIMEOUT = Variable(
    "UNDERDRAWING_TIMEOUT",
    "Time without a byte after which a download counts as stalled.",
    to_seconds,
    "seconds",
    default="30",
)
MAX_MEGAPIXELS = Variable(
    "UNDERDRAWING_MAX_MEGAPIXELS",
    "Largest picture that is decoded; larger ones are refused by their header. Decoding takes up to 20 bytes a pixel.",
    to_megapixels,
    "megapixels",
    default="100",
)
DROP_IN = Variable(
    "UNDERDRAWING_DROP_IN",
    "Whether ComfyUI gets nodes under the class names of comfyui_controlnet_aux, so that saved workflows open.",
    to_switch,
    "1 or 0",
    default="1",
)
OFFLINE = Variable(
    *("HF_HUB_OFFLINE", "Forbids every download; so does TRANSFORMERS_OFFLINE.", to_switch, "1 or 0", "0"),
    spellings=("TRANSFORMERS_OFFLINE",),
)
ENDPOINT = Variable("HF_ENDPOINT", "URL of a mirror of the Hugging Face Hub.", to_url, "URL")
TOKEN = Variable(
    *("HF_TOKEN", "Access token for repositories whose terms must be accepted.", str, "access token"),
    read_by="huggingface_hub",
)
HUB_HOME = Variable("HF_HOME", "Folder of the Hugging Face Hub's own cache and token.", to_folder, "folder")
HUB_CACHE = Variable(
    "HF_HUB_CACHE", "Folder of the hub's own cache, in which weights are also looked for.", to_folder, "folder"
)
USER_CACHE = Variable("XDG_CACHE_HOME", "Folder of the user's caches, on Linux.", to_folder, "folder")
AUX_WEIGHTS = Variable(
    "AUX_ANNOTATOR_CKPTS_PATH",
    "Folders in which comfyui_controlnet_aux keeps its weights, which are used in place.",
    to_folders,
    "folders",
)
PROXIES = (
    Variable(
        "https_proxy", "URL of a proxy for downloads.", to_url, "URL", spellings=("HTTPS_PROXY",), read_by="requests"
    ),
    Variable(
        "http_proxy", "URL of a proxy for http mirrors.", to_url, "URL", spellings=("HTTP_PROXY",), read_by="requests"
    ),
    Variable(
        "no_proxy", "Hosts that are reached without a proxy.", str, "hosts", spellings=("NO_PROXY",), read_by="requests"
    ),
)
VARIABLES: tuple[Variable[Any], ...] = (
    *(DOWNLOAD, CACHE, WEIGHTS, HOSTS, TIMEOUT, MAX_MEGAPIXELS, DROP_IN),
    *(OFFLINE, ENDPOINT, TOKEN, HUB_HOME, HUB_CACHE, USER_CACHE, AUX_WEIGHTS, *PROXIES),
)


def environment() -> Mapping[str, str]:
    """All environment variables of this process."""
    return os.environ


def find_faults(environ: Mapping[str, str]) -> Iterator[Fault]:
    """Find variables with useless values, and names with our prefix that are not declared."""
    own = [variable.name for variable in VARIABLES if variable.name.startswith(PREFIX)]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in own:
            near = difflib.get_close_matches(name, own, n=1)
            fix = f"did you mean {near[0]}?" if near else f"known: {', '.join(own)}"
            yield Fault(name, environ[name], "is not a variable of this project", fix)
    for variable in VARIABLES:
        for name in (variable.name, *variable.spellings):
            if (error := _find_error(variable, environ.get(name, ""))) is not None:
                yield Fault(name, environ[name], error.what, error.fix)


def _find_error(variable: Variable[Any], text: str) -> InvalidValue | None:
    """Reason why a text cannot be used; for lists of folders also that one does not exist."""
    try:
        value = variable.parse(text)
    except InvalidValue as error:
        return error
    missing = [str(folder) for folder in value if not folder.is_dir()] if variable.convert is to_folders else []
    if missing:
        return InvalidValue(f"names folders that do not exist: {', '.join(missing)}", "correct or unset the variable")
    return None


def describe_variables() -> list[tuple[str, str]]:
    """Names and help of all variables, in order of importance, for help pages."""
    return [
        (one.name, f"{one.allowed} (default {one.default}). {one.help}" if one.default else one.help)
        for one in VARIABLES
    ]
