"""The field's terms, each in one sentence with where it comes from: what the sign "?" says, and the list on About."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pages.ui.text.i18n import N_, _


@dataclass(frozen=True, slots=True)
class Term:
    """A term.

    Attributes:
        title: What it is called, marked for translation.
        sentence: What it means, marked for translation.
        source: Authors and year of where to read more; a name, not translated.
        address: Where that is; empty where it is no page.
    """

    title: str
    sentence: str
    source: str = ""
    address: str = ""


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


TERMS: Mapping[str, Term] = {
    # judging
    "accuracy": Term(N_("Accuracy"), N_("Share of the images that are classified right.")),
    "baseline": Term(
        N_("Baseline"),
        N_("What you get without looking at any image: the share of the largest class, by always naming it."),
    ),
    "balanced accuracy": Term(
        N_("Balanced accuracy"),
        N_("Mean of the recalls of the classes, so that a small class counts as much as a large one."),
        "Brodersen et al. 2010",
        "https://doi.org/10.1109/ICPR.2010.764",
    ),
    "precision": Term(N_("Precision"), N_("Of the images that are given this class, the share that belongs to it.")),
    "recall": Term(N_("Recall"), N_("Of the images that belong to this class, the share that is given it.")),
    "f1": Term(N_("F1"), N_("Harmonic mean of precision and recall: high only where both are."), "van Rijsbergen 1979"),
    "error rate": Term(N_("Error rate"), N_("Share of the images that are classified wrong: 1 − accuracy.")),
    "top-k accuracy": Term(
        N_("Top-k accuracy"), N_("Share of the images whose true class is among the k most probable ones.")
    ),
    "specificity": Term(
        N_("Specificity"), N_("Of the images that do not belong to the positive class, the share that is not given it.")
    ),
    "macro mean": Term(
        N_("Macro mean"),
        N_("The figure of each class that occurs, averaged: a rare class counts as much as a frequent one."),
    ),
    "weighted mean": Term(
        N_("Weighted mean"), N_("The figure of each class, averaged with its number of images as the weight.")
    ),
    "micro mean": Term(
        N_("Micro mean"), N_("All classes' decisions in one pool, each image and class being one yes or no.")
    ),
    "one against the rest": Term(
        N_("One against the rest"),
        N_("Each class in turn is the positive one, all others together are the negative one."),
    ),
    "mcc": Term(
        N_("Matthews correlation coefficient (MCC)"),
        N_("Correlation of true and predicted class: 1 is perfect, 0 is chance; sizes of classes do not flatter it."),
        "Matthews 1975; Gorodkin 2004",
        "https://doi.org/10.1016/j.compbiolchem.2004.09.006",
    ),
    "kappa": Term(
        N_("Cohen's kappa"),
        N_("How much of the agreement with the labels is beyond what the class shares alone would bring."),
        "Cohen 1960",
        "https://doi.org/10.1177/001316446002000104",
    ),
    "roc auc": Term(
        N_("Area under the ROC curve (AUC)"),
        N_(
            "How probable it is that an image of the class is given a higher probability of it than one of another: 1 "
            "parts all, 0.5 is chance; on rare classes it flatters, so see precision against recall beside it."
        ),
        "Fawcett 2006",
        "https://doi.org/10.1016/j.patrec.2005.10.010",
    ),
    "average precision": Term(
        N_("Average precision"),
        N_("Mean precision over all thresholds, weighted by the recall that each adds; chance is the class's share."),
        "Davis and Goadrich 2006",
        "https://doi.org/10.1145/1143844.1143874",
    ),
    "brier score": Term(
        N_("Brier score"),
        N_("Mean squared distance of the probabilities from the truth (0 or 1), summed over the classes; 0 is best."),
        "Brier 1950",
    ),
    "ece": Term(
        N_("Expected calibration error (ECE)"),
        N_("Mean distance of how sure it is from how often it is right, over 15 bins of equally many images."),
        "Naeini et al. 2015; Nixon et al. 2019",
        _arxiv("1904.01685"),
    ),
    "coverage": Term(
        N_("Coverage"),
        N_("Share of the images that are answered where the least sure ones are left to a person."),
        "Geifman and El-Yaniv 2017",
        _arxiv("1705.08500"),
    ),
    "log loss": Term(
        N_("Log loss"),
        N_(
            "Mean of −log p, p being the probability given to the true class, in nats (natural logarithm): it punishes "
            "being sure and wrong; 0 is best, log of the number of classes is guessing."
        ),
    ),
    "wilson interval": Term(
        N_("Wilson interval"),
        N_(
            "Where the accuracy on endlessly many such images lies with 95 %\u00a0confidence; few images make it wide, "
            "and runs whose intervals overlap may be equally good."
        ),
        "Wilson 1927",
        "https://doi.org/10.1080/01621459.1927.10502953",
    ),
    "corruption accuracy": Term(
        N_("Mean corruption accuracy"),
        N_(
            "Mean accuracy over what pictures were spoilt by and its five strengths, each counting the same; attacks "
            "are not among them."
        ),
        "Hendrycks & Dietterich 2019",
        _arxiv("1903.12261"),
    ),
    "test-time augmentation": Term(
        N_("Test-time augmentation"),
        N_("The mean of the probabilities that a network gives to several views of one picture is the answer."),
        "Krizhevsky et al. 2012",
        "https://papers.nips.cc/paper/2012/hash/c399862d3b9d6b76c8436e924a68c45b-Abstract.html",
    ),
    "mcnemar": Term(
        N_("McNemar's test"),
        N_(
            "Of the pictures that only one of two answers gets right: how often chance alone would deal them out as "
            "unevenly."
        ),
        "McNemar 1947",
        "https://doi.org/10.1007/BF02295996",
    ),
    "confusion matrix": Term(
        N_("Confusion matrix"),
        N_("Counts how often each class (a row) is taken for each class (a column); the diagonal is right."),
    ),
    "calibration": Term(
        N_("Calibration"),
        N_(
            "Whether the network is right as often as it claims: of all images with 80 %\u00a0it should get 80 "
            "%\u00a0right."
        ),
        "Guo et al. 2017",
        _arxiv("1706.04599"),
    ),
    "probe accuracy": Term(
        N_("Probe accuracy"),
        N_("Accuracy of a linear classifier on the frozen backbone's features: how well it separates your classes."),
        "Alain and Bengio 2016",
        _arxiv("1610.01644"),
    ),
    "logme": Term(
        N_("LogME"),
        N_(
            "Log of the evidence that the features explain the labels, as a mean an image and class, in nats (natural "
            "logarithm): only differences between backbones mean something, higher is better."
        ),
        "You et al. 2021",
        _arxiv("2102.11005"),
    ),
    "leep": Term(
        N_("LEEP"),
        N_("Log-likelihood of your labels when the pretrained head's own classes predict them; 0 is best."),
        "Nguyen et al. 2020",
        _arxiv("2002.12462"),
    ),
    # transfer
    "transfer learning": Term(
        N_("Transfer learning"),
        N_("Starting from a network that has learned another, larger set of images, instead of from random weights."),
        "Yosinski et al. 2014",
        _arxiv("1411.1792"),
    ),
    "backbone": Term(N_("Backbone"), N_("The network without its head: it turns an image into features.")),
    "head": Term(
        N_("Head"), N_("The last layers, which turn the backbone's features into a score for each of your classes.")
    ),
    "stage": Term(N_("Stage"), N_("A part of the backbone within which the feature maps keep their height and width.")),
    "freezing": Term(
        N_("Freezing"), N_("Leaving weights as they are while others learn: nothing is updated in a frozen layer.")
    ),
    "linear probe": Term(
        N_("Linear probe"),
        N_("The whole backbone is frozen; only a new head learns."),
        "Kornblith et al. 2019",
        _arxiv("1805.08974"),
    ),
    "fine-tuning": Term(
        N_("Fine-tuning"),
        N_("Pretrained layers learn on, mostly at a low rate, so that they are not overwritten."),
        "Howard and Ruder 2018",
        _arxiv("1801.06146"),
    ),
    "rates by stage": Term(
        N_("Rates by stage"),
        N_("Earlier stages get smaller learning rates (discriminative rates), as they are general already."),
        "Howard and Ruder 2018",
        _arxiv("1801.06146"),
    ),
    # training
    "epoch": Term(N_("Epoch"), N_("One pass over all training images.")),
    "batch": Term(N_("Batch"), N_("The images of one step: the gradient is their mean.")),
    "learning rate": Term(N_("Learning rate"), N_("How far a step goes against the gradient.")),
    "overfitting": Term(
        N_("Overfitting"),
        N_("The training images are learned by heart: their loss falls on, the validation images' rises."),
    ),
    "validation": Term(
        N_("Validation"), N_("Images held out from training that choose the best epoch; they are not learned from.")
    ),
    "test": Term(N_("Test"), N_("Images held out from everything, judged once at the end: the fair figure.")),
    "augmentation": Term(
        N_("Augmentation"),
        N_("Each training image is changed at random each time: mirrored, cropped, turned, recoloured."),
    ),
    "early stopping": Term(
        N_("Early stopping"), N_("Ends a training when the watched figure has not improved for some epochs.")
    ),
    "weight decay": Term(
        N_("Weight decay"),
        N_("Each step also shrinks the weights a little, which keeps them small."),
        "Loshchilov and Hutter 2017",
        _arxiv("1711.05101"),
    ),
    "gradient clipping": Term(
        N_("Gradient clipping"),
        N_("A gradient longer than this is shortened to it, so that one batch cannot throw the weights off."),
        "Pascanu et al. 2012",
        _arxiv("1211.5063"),
    ),
    "gradient accumulation": Term(
        N_("Gradient accumulation"), N_("Several batches are added up to one step: a larger batch for the same memory.")
    ),
    "ema": Term(
        N_("EMA"),
        N_("Exponential moving average of the weights: it is judged and kept in the place of the last step's."),
        "Polyak and Juditsky 1992",
        "https://doi.org/10.1137/0330046",
    ),
    "normalisation": Term(
        N_("Normalisation"),
        N_(
            "Pixels are scaled to 0..1, then each colour's mean is subtracted and the rest divided by its deviation: "
            "the range of numbers that the weights were made for."
        ),
    ),
    "batch norm": Term(
        N_("Batch norm"),
        N_("Scales a layer's values by mean and deviation of the batch; in evaluation by averages kept from training."),
        "Ioffe and Szegedy 2015",
        _arxiv("1502.03167"),
    ),
    "label smoothing": Term(
        N_("Label smoothing"),
        N_("The true class is asked for a little less than 100 %, so that the network stays less sure."),
        "Szegedy et al. 2015",
        _arxiv("1512.00567"),
    ),
    "mixup": Term(
        N_("MixUp"),
        N_("Two images and their labels are blended, and the network is asked for both shares."),
        "Zhang et al. 2017",
        _arxiv("1710.09412"),
    ),
    "seed": Term(N_("Seed"), N_("The number that all chance comes from: the same seed repeats the same run.")),
    "fold": Term(
        N_("Fold"),
        N_("One of k parts of the images: each part is held out once, so every image is judged once."),
        "Kohavi 1995",
    ),
    "leak": Term(
        N_("Leak"), N_("The same picture in training and among those held out: it makes the figures too good.")
    ),
    # inside
    "parameters": Term(N_("Parameters"), N_("The numbers that training sets: all weights and biases.")),
    "multiply-adds": Term(
        N_("Multiply-adds"), N_("Multiplications followed by an addition: how much one image costs to compute.")
    ),
    "receptive field": Term(
        N_("Receptive field"),
        N_("The part of the image that one value of a feature map can depend on."),
        "Araujo et al. 2019",
        "https://distill.pub/2019/computing-receptive-fields/",
    ),
    "feature map": Term(N_("Feature map"), N_("The activations of one channel, one for each place of the image.")),
    "kernel": Term(
        N_("Kernel"),
        N_("The small grid of weights that is moved over a map; all kernels of one output channel are its filter."),
    ),
    "heatmap": Term(
        N_("Heatmap"),
        N_("Shows which places of the image speak for a class, by one method's reckoning."),
        "Selvaraju et al. 2016",
        _arxiv("1610.02391"),
    ),
    "deletion": Term(
        N_("Deletion"),
        N_("How the class's probability falls as the hottest places are blanked first: lower is better."),
        "Petsiuk et al. 2018",
        _arxiv("1806.07421"),
    ),
    "insertion": Term(
        N_("Insertion"),
        N_("How the class's probability rises as the hottest places are shown first: higher is better."),
        "Petsiuk et al. 2018",
        _arxiv("1806.07421"),
    ),
    "infidelity": Term(
        N_("Infidelity"),
        N_("How far the heatmap is off in foretelling what small changes do to the score: lower is better."),
        "Yeh et al. 2019",
        _arxiv("1901.09392"),
    ),
    "sanity check": Term(
        N_("Sanity check"),
        N_("With random weights a heatmap should change; one that stays shows the image's edges, not the network."),
        "Adebayo et al. 2018",
        _arxiv("1810.03292"),
    ),
    "shortcut": Term(
        N_("Shortcut"),
        N_("A sign beside the object that gives the class away in training, and misleads where it is missing."),
        "Geirhos et al. 2020",
        _arxiv("2004.07780"),
    ),
    "autoencoder": Term(
        N_("Autoencoder"),
        N_("A network that has to give back its own input, through a place too narrow to pass it on as it is."),
        "Vincent et al. 2010",
        "https://www.jmlr.org/papers/v11/vincent10a.html",
    ),
    "generative adversarial network": Term(
        N_("Generative adversarial network"),
        N_("A generator makes samples out of noise and learns against a discriminator that tells them from real ones."),
        "Goodfellow et al. 2014",
        _arxiv("1406.2661"),
    ),
    "latent values": Term(
        N_("Latent values"),
        N_("What the narrow place of an autoencoder holds of a picture: the numbers it is painted from again."),
    ),
    "transposed convolution": Term(
        N_("Transposed convolution"),
        N_("Each value of a map paints a window of weights into a larger map, where overlapping windows add up."),
        "Dumoulin and Visin 2016",
        _arxiv("1603.07285"),
    ),
    "gram matrix": Term(
        N_("Gram matrix"),
        N_("For each two channels of a layer how strongly they answer together, wherever that is in the picture."),
        "Gatys et al. 2016",
        "https://doi.org/10.1109/CVPR.2016.265",
    ),
    "cosine similarity": Term(
        N_("Cosine similarity"),
        N_("How alike two pictures are to a network: the cosine of the angle between what enters its head, 1 at most."),
    ),
    "gradient norm": Term(
        N_("Gradient norm"), N_("Length of the gradient of a stage: how strongly the loss pulls at it.")
    ),
}
"""All terms by their key, in the order they are listed."""


def explain(key: str) -> str:
    """Returns what a term means, in the person's language: a sentence for a ``help``."""
    return _(TERMS[key].sentence)


def title(key: str) -> str:
    """Returns what a term is called, in the person's language."""
    return _(TERMS[key].title)
