"""Measured truth: what is found out about a trial beside its epochs' losses and metrics.

`Meter` when a training begins; `watched` after an epoch, where a study watches; `fitted` for the fit at any epoch;
`measured` once at the end.
"""

from worker.measuring.resources import Meter as Meter
from worker.measuring.trial import fitted as fitted
from worker.measuring.trial import measured as measured
from worker.measuring.trial import watched as watched
