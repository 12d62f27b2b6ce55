"""How to train, as a person writes it: `recipe:` in a study."""

from worker.recipe.optimizers import Adam as Adam
from worker.recipe.optimizers import AdamW as AdamW
from worker.recipe.optimizers import Sgd as Sgd
from worker.recipe.schedules import Constant as Constant
from worker.recipe.schedules import Cosine as Cosine
from worker.recipe.schedules import OneCycle as OneCycle
from worker.recipe.schedules import Progress as Progress
from worker.recipe.spec import MAX_EPOCHS as MAX_EPOCHS
from worker.recipe.spec import Recipe as Recipe
from worker.recipe.spec import check_balance as check_balance
from worker.recipe.spec import loss_name as loss_name
from worker.recipe.spec import metrics_of as metrics_of
from worker.recipe.spec import stopping_metric as stopping_metric
