"""The ways in which a run ends early, each told in one line."""


class UserError(Exception):
    """Something the user can mend: one line that names the file or key, what was found, what was expected, what to
    do."""


class UsageError(UserError):
    """The command line asks for what there is not; exit status 2."""


class Busy(UserError):
    """Another process is at the same output; once it has ended this one can go on."""


class Stopped(Exception):
    """The run ended early at a checkpoint (time limit or SIGTERM); nothing is lost. `advanced`: the checkpoint is
    further on than the start."""

    def __init__(self, message: str, advanced: bool = True):
        super().__init__(message)
        self.advanced = advanced
