"""Globs of paths below a workspace, as job files write them: `src/**`, `*.md`, `dist`."""

from agent_queue.core import field_schemas
from agent_queue.core.fields import Kind, parse_texts, show
from agent_queue.core.frontmatter import Node, NodeError, quoted


def parse_globs(node: Node) -> tuple[str, ...]:
    """Globs that stay inside: no absolute path, no way up, none of git's own magic."""
    for glob in (globs := parse_texts(node)):
        if glob.startswith(("/", ":", "~")) or ".." in glob.split("/"):
            raise NodeError(node, f"{quoted(glob)} leads out of the workspace; write a path below it, such as src/**")
    return globs


GLOBS = Kind(parse_globs, show, field_schemas.GLOBS)
