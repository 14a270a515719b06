"""What must hold of template.yaml. Each function of these modules that takes `seen` is one promise; it yields what breaks
it, in words.

A promise gets the template as written, and as CloudFormation sees it under one set of parameters (`expand.resolve`).
"""

import inspect

from promises import edge, functions, parameters, queues, roles, rollout, stores
from promises.seen import FUNCTIONS, Seen

MODULES = [functions, edge, queues, stores, roles, rollout, parameters]
ALL = [
    promise
    for module in MODULES
    for promise in vars(module).values()
    if inspect.isgeneratorfunction(promise) and list(inspect.signature(promise).parameters) == ["seen"]
]
