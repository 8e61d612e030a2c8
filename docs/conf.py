"""How Sphinx makes the site: `make docs`. Nothing is loaded from a network, then or when read."""

import logging
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

from sweeper import __version__  # noqa: E402

project = "sweeper"
release = version = __version__
author = "The authors of sweeper"
html_title = f"sweeper {release}"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
    "generated",
    "mathml",
    "repository",
]
exclude_patterns = ["extensions", "measured/README.md"]

# Some pages come and go: a toctree may name more than there are. This warning has no type, so that
# suppress_warnings does not know it.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", "") != "empty_glob"
)

# Markdown; the notebook is shown with the outputs that are kept in it.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"

# In docstrings `name` is code.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
