"""Vocabulary: additions of the package to the contract."""

from acme_scale.observations import Weighed, WeighOut, WeighOutResult
from drivers.command import CommandType
from drivers.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    namespace="acme",
    version=1,
    observations=(Weighed,),
    commands=(CommandType("acme.weigh-out", WeighOut, WeighOutResult),),
)
WRONG_VERSION = Vocabulary(namespace="acme", version="1")  # type: ignore[arg-type]
WRONG_EVENT = Vocabulary(namespace="acme", version=1, observations=(WeighOut,))  # type: ignore[arg-type]
