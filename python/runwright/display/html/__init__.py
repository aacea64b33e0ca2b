"""HTML, for notebooks: each piece stands by itself, in light and dark, with everything escaped."""

from .differences import differences_html
from .entity import entity_html
from .function import function_html
from .project import project_html
from .run import run_html, run_line
from .runs import runs_html

__all__ = ["differences_html", "entity_html", "function_html", "project_html", "run_html", "run_line", "runs_html"]
