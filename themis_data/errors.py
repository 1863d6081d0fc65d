"""Every error this package raises on purpose.

All are `ThemisError`, and also the built-in a caller would expect. A message says what was wrong, where, what was
expected and what to do; the command line prints it as it is and exits with 1.
"""


class ThemisError(Exception):
    """Something the user can understand and act on."""


class PipelineError(ThemisError, ValueError):
    """A pipeline file, a setting or an override is wrong.

    Example: `pipelines/quickstart.yaml, step 'keep_licenses': unknown setting 'polcy'. Did you mean 'policy'?`
    """


class UnknownName(PipelineError, LookupError):
    """No file of that name in the folder where it was looked up; the message offers the near ones."""


class SchemaError(ThemisError, ValueError):
    """A table does not fit the schema it is declared to have."""


class ManifestError(ThemisError, ValueError):
    """A manifest or a record is missing, incomplete or was edited."""


class CorruptData(ThemisError, ValueError):
    """A file's bytes are not what its record says."""


class MissingExtra(ThemisError, ImportError):
    """An optional distribution or model is not installed; the message has the pip line."""


class SourceError(ThemisError, ValueError):
    """A source cannot be read at all, for example a path that is no git repository."""


class UpstreamGap(SourceError):
    """What nobody could find out of an upstream data set has to be supplied; the message says what."""


class UpstreamChanged(SourceError):
    """The columns of an upstream data set are not those that its recipe was written for."""


class StageError(ThemisError, RuntimeError):
    """A step broke its contract: rows lost without a reason, a wrong schema, too many failures."""


class LockError(ThemisError, RuntimeError):
    """Another build holds the run folder, or the folder belongs to another pipeline."""


class SandboxError(ThemisError, RuntimeError):
    """Untrusted code cannot be confined on this machine, so it is not run."""


class PublishError(ThemisError, RuntimeError):
    """A version may not be published, or did not arrive; nothing of it is tagged."""


class TrainingError(ThemisError, RuntimeError):
    """A model cannot be trained, resumed, exported or scored as asked; what was saved is still there."""


class EvaluationError(ThemisError, ValueError):
    """Pairs, scores or candidates cannot be read as any of the layouts that are known, or not be scored as asked."""
