"""Which trackers follow a run, as a spec names them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweeper.spec.axes import Strict

Text = Annotated[str, Field(min_length=1)]


class TensorBoard(Strict):
    """Event files in the results folder."""


class MLflow(Strict):
    """A run of MLflow for each pack."""

    tracking_uri: Text | None = Field(
        default=None,
        description="Of a tracking server or a store; else MLFLOW_TRACKING_URI; else an SQLite "
        "file in the results folder.",
    )
    experiment: Text | None = Field(default=None, description="By default the sweep's name.")


class Wandb(Strict):
    """A run of Weights & Biases for each pack."""

    project: Text | None = Field(default=None, description="By default the sweep's name.")
    entity: Text | None = Field(default=None, description="By default that of the account.")
    mode: Literal["online", "offline"] | None = Field(
        default=None,
        description="offline keeps the runs in the results folder; else WANDB_MODE, else online.",
    )


class Trackers(Strict):
    """The trackers that follow a run under Ray. Change no trial and no record."""

    tensorboard: TensorBoard | None = Field(
        default=None, description="On where it is named; it has no options."
    )
    mlflow: MLflow | None = Field(default=None, description="On where it is named.")
    wandb: Wandb | None = Field(default=None, description="On where it is named.")

    @model_validator(mode="before")
    @classmethod
    def _named_is_on(cls, data: Any) -> Any:  # noqa: ANN401
        """In `{tensorboard, mlflow: {...}}` YAML gives a name without options the value null."""
        if isinstance(data, dict):
            return {name: {} if options is None else options for name, options in data.items()}
        if isinstance(data, Trackers):
            return data
        raise ValueError(
            f"should be a mapping from {', '.join(cls.model_fields)} to their options, "
            "such as {tensorboard, mlflow: {experiment: mine}}"
        )

    @property
    def chosen(self) -> list[str]:
        """Names of those that are on."""
        return [name for name in Trackers.model_fields if getattr(self, name) is not None]
