"""What the site does with links out of docs/, which are right in the repository: pictures come along, other files are named without a link."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
OUT = re.compile(r"(!?)\[([^\]]*)\]\(\.\./([^)#]+)[^)]*\)")
PICTURES = ("results/cpu/figures", "results/cpu-long/figures")


def on_files(files, config):
    """Take the pictures of the results along."""
    for picture in (path for folder in PICTURES for path in (ROOT / folder).glob("*.png")):
        files.append(File.generated(config, str(picture.relative_to(ROOT)), abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown, **_):
    """Links out of docs/ become pictures of the site, or names."""
    return OUT.sub(lambda found: f"![{found[2]}]({found[3]})" if found[1] else f"`{found[3]}`", markdown)
