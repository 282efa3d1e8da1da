"""What the site does with links out of docs/, which are right in the repository: pictures come along, other files
are named without a link."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
OUT = re.compile(r"(!?)\[([^\]]*)\]\(\.\./([^)#]+)[^)]*\)")
PICTURES = "results/*/figures/*.png"


def on_files(files, config):
    """Take the pictures of the results along."""
    for picture in ROOT.glob(PICTURES):
        files.append(File.generated(config, str(picture.relative_to(ROOT)), abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown, **_):
    """Links out of docs/ become pictures of the site, or names."""
    return OUT.sub(in_site, markdown)


def in_site(found):
    """What stands on the site for one link out of docs/: a picture, or what it says and the file's name."""
    picture, said, path = found.groups()
    if picture:
        return f"![{said}]({path})"
    return f"`{path}`" if path.endswith(said.strip("`")) else f"{said} (`{path}`)"
