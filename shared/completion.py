"""What the shells get from typer to complete our commands, with two of its faults mended.

Its script for zsh, once installed, is a file that zsh loads when Tab first needs it, and whose text is then the body of
the completing function: typer's only declares another one, so that the first Tab completes nothing.
https://zsh.sourceforge.io/Doc/Release/Completion-System.html#Autoloaded-files

It renders each help text by rich, as wide as a terminal: each Tab imports rich, and fish shows no more than the first
line.
"""

import contextlib
from typing import Final

ZSH: Final = """\
#compdef %(prog_name)s

%(complete_func)s() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" %(autocomplete_var)s=complete_zsh %(prog_name)s)
}

compdef %(complete_func)s %(prog_name)s
if [[ $funcstack[1] == _%(prog_name)s ]]; then # loaded by the Tab that waits for it; not by source or eval
  %(complete_func)s
fi
"""
"""`#compdef` is its first line, where alone zsh looks for it."""


def mend() -> None:
    """Mend what this process hands to shells. A typer that has these parts elsewhere stays as it is."""
    with contextlib.suppress(ImportError, AttributeError):
        from typer import _completion_classes as classes
        from typer import _completion_shared as scripts

        scripts._completion_scripts["zsh"] = classes.ZshComplete.source_template = ZSH
        classes._sanitize_help_text = lambda text: text
