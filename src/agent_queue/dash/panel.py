"""The panel itself, in Textual: stages at the top, jobs by section, what there is to say of one at the bottom."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from agent_queue.core.errors import AqError
from agent_queue.dash.sight import Line, Section, Sight

COLUMNS = ("state", "job", "engine", "time", "used", "att")
HEADING = "\0"
"""Begins the key of a row that is the heading of a section."""


class Panel(App[None]):
    """`look` gives the queue as it is now; it may take a while, and is asked beside the screen."""

    TITLE = "agent-queue"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #stages { height: 2; padding: 0 1; }
    #detail { height: auto; max-height: 8; min-height: 3; padding: 0 1; border-top: solid $primary; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", key_display="j", priority=True),
        Binding("k,up", "move(-1)", "up", key_display="k", priority=True),
        Binding("g,home", "jump(0)", "first", show=False, priority=True),
        Binding("G,end", "jump(-1)", "last", show=False, priority=True),
        Binding("r", "look", "look again"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, look: Callable[[], Sight], every_s: float = 2.0) -> None:
        super().__init__()
        self._take = look
        self._every_s = every_s
        self._lines: dict[str, Line] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="stages", markup=False)
        yield DataTable(cursor_type="row", zebra_stripes=False)
        yield Static("looking at the queue...", id="detail", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        table = self._table
        for name in COLUMNS:
            table.add_column(name, key=name)
        table.focus()
        self.action_look()
        self.set_interval(self._every_s, self.action_look)

    @property
    def _table(self) -> "DataTable[Text]":
        return self.query_one(DataTable)

    @work(thread=True, exclusive=True)
    def action_look(self) -> None:
        """Ask for the queue beside the screen, and show it."""
        try:
            seen: Sight | str = self._take()
        except (AqError, OSError) as error:
            seen = f"the queue cannot be read: {error}"
        self.call_from_thread(self._show, seen)

    def _show(self, seen: Sight | str) -> None:
        if isinstance(seen, str):
            self.query_one("#detail", Static).update(seen)
            return
        counts = Text("  ".join(f"{stage} {count}" for stage, count in seen.stages), style="bold")
        self.query_one("#stages", Static).update(Text("\n").join([counts, Text(seen.supervisor, style="dim")]))
        here = self._chosen
        table = self._table
        row, scroll = table.cursor_row, table.scroll_y
        table.clear()
        self._lines = {}
        for section in seen.sections:
            self._add(section)
        if here is not None and here in self._lines:
            row = table.get_row_index(here)
        table.move_cursor(row=min(max(row, 1), max(table.row_count - 1, 0)), scroll=False)
        table.scroll_to(y=scroll, animate=False)
        self._say()

    def _add(self, section: Section) -> None:
        table = self._table
        title = Text(f"{section.title} ({len(section.lines)})", style="bold underline")
        table.add_row(Text(""), title, *[Text("")] * (len(COLUMNS) - 2), key=HEADING + section.title)
        for line in section.lines:
            key = line.job if line.job not in self._lines else f"{line.job}{HEADING}{line.state}"
            self._lines[key] = line
            cells = (line.engine, line.time, line.used, line.attempts)
            table.add_row(
                Text(line.state, style=line.style),
                Text(line.job),
                *(Text(cell, justify="right") for cell in cells),
                key=key,
            )

    @property
    def _chosen(self) -> str | None:
        """The key of the row under the cursor; None while there is none."""
        table = self._table
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def action_move(self, by: int) -> None:
        """To the next job, over headings."""
        self._go(self._table.cursor_row + by, by)

    def action_jump(self, to: int) -> None:
        self._go(self._table.row_count - 1 if to else 0, -1 if to else 1)

    def _go(self, row: int, by: int) -> None:
        table = self._table
        keys = [key.value for key in table.rows]
        while 0 <= row < len(keys) and str(keys[row]).startswith(HEADING):
            row += by
        if 0 <= row < len(keys):
            table.move_cursor(row=row)

    def on_data_table_row_highlighted(self) -> None:
        self._say()

    def _say(self) -> None:
        """What there is to say of the chosen job."""
        line = self._lines.get(self._chosen or "")
        empty = "Nothing here yet. `aq add FILE.md` puts a job into the inbox." if not self._lines else ""
        self.query_one("#detail", Static).update(Text("\n".join([line.job, *line.detail]) if line else empty))
