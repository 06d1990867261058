"""The table of methods: one row each, with what it is called, does, needs and may be given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from core.interpret.attribution import (
    attention_rollout,
    cam,
    compatibility,
    deeplift_lrp,
    gradients,
    guided_backprop,
    perturbation,
    score_cam,
)
from core.interpret.attribution.method import BY_GAP, Method, Setting

_SEED = Setting("seed", "Seed", 0, 0, 999_999, "Of the random numbers: the same seed, the same map.")
_REGIONS = Setting("regions", "Superpixels", 50, 2, 400, "About how many parts the picture is divided into.")


def _samples(default: int, low: int = 1) -> Setting:
    return Setting("samples", "Samples", default, low, 5000, "More make the map steadier, and take longer.")


def _noise(default: int) -> Setting:
    return Setting("noise", "Noise in %", default, 0, 100, "Deviation of the noise, of the picture's range of values.")


def _channels(default: int) -> Setting:
    return Setting("channels", "Channels", default, 0, 8192, "How many are tried, the liveliest first; 0 for all.")


_cam = partial(Method, family="cam", unavailable=compatibility.needs_maps, layered=True)
_grains = partial(Method, family="gradient", unavailable=compatibility.always, per_pixel=True, served_by="captum")
_hidden = partial(Method, family="perturbation", unavailable=compatibility.always, signed=True, served_by="captum")

_CAMS = (
    _cam(
        "grad-cam",
        "Grad-CAM",
        "Adds up a layer's feature maps, each weighted by how much the class's score rises with it on average.",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        formula=cam.grad_cam,
    ),
    _cam(
        "grad-cam++",
        "Grad-CAM++",
        "Like Grad-CAM, but counts positive influence only and gives small or repeated objects their share.",
        "Chattopadhay et al. 2018, arXiv:1710.11063",
        formula=cam.grad_cam_plus_plus,
    ),
    _cam(
        "hires-cam",
        "HiResCAM",
        "Multiplies activation and influence place by place, so it shows only places the network really used.",
        "Draelos and Carin 2020, arXiv:2011.08891",
        formula=cam.hires_cam,
    ),
    _cam(
        "xgrad-cam",
        "XGrad-CAM",
        "Like Grad-CAM, but averages each map's influence where the map is active.",
        "Fu et al. 2020, arXiv:2008.02312",
        formula=cam.xgrad_cam,
    ),
    _cam(
        "layer-cam",
        "LayerCAM",
        "Weights every place by its own positive influence, which keeps fine detail in early layers.",
        "Jiang et al. 2021, IEEE Transactions on Image Processing 30, 5875-5888",
        formula=cam.layer_cam,
    ),
    _cam(
        "eigen-cam",
        "Eigen-CAM",
        "Shows what a layer's feature maps have most in common; no class is asked for.",
        "Muhammad and Yeasin 2020, arXiv:2008.00299",
        formula=cam.eigen_cam,
        follows_class=False,
    ),
    _cam(
        "eigen-grad-cam",
        "Eigen-Grad-CAM",
        "Shows what activation times influence has most in common over the channels of a layer.",
        "Muhammad and Yeasin 2020, arXiv:2008.00299, with gradients",
        formula=cam.eigen_grad_cam,
    ),
    _cam(
        "score-cam",
        "Score-CAM",
        "Lays each feature map over the picture as a mask and weighs it by the class's score with only that shown.",
        "Wang et al. 2020, arXiv:1910.01279",
        procedure=score_cam.score_cam,
        settings=(_channels(32),),
        passes=33,
    ),
    _cam(
        "ablation-cam",
        "Ablation-CAM",
        "Switches off one channel of a layer after another and weighs it by how far the class's score falls.",
        "Ramaswamy et al. 2020, WACV, 983-991",
        procedure=score_cam.ablation_cam,
        settings=(_channels(64),),
        passes=4,
    ),
    _cam(
        "smoothgrad-cam++",
        "SmoothGrad-CAM++",
        "Grad-CAM++ with influences averaged over noisy copies of the picture.",
        "Omeiza et al. 2019, arXiv:1908.01224",
        procedure=score_cam.smooth_grad_cam_plus_plus,
        settings=(_samples(8), _noise(10), _SEED),
        passes=9,
    ),
    _grains(
        "guided-grad-cam",
        "Guided Grad-CAM",
        "Grad-CAM's places with the fine grain of guided backpropagation.",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        procedure=guided_backprop.guided_grad_cam,
        passes=2,
        family="cam",
        layered=True,
        unavailable=compatibility.needs_relus_and_maps,
        served_by="own",
    ),
)

_GRADIENTS = (
    _grains(
        "saliency",
        "Saliency",
        "Shows how much the class's score would change if a pixel changed a little.",
        "Simonyan et al. 2013, arXiv:1312.6034",
        procedure=gradients.saliency,
    ),
    _grains(
        "input-x-gradient",
        "Input × gradient",
        "Multiplies each pixel's distance from the mean colour with how much the score rises with it.",
        "Shrikumar et al. 2016, arXiv:1605.01713",
        procedure=gradients.input_x_gradient,
        signed=True,
    ),
    _grains(
        "integrated-gradients",
        "Integrated gradients",
        "Shares the class's score out among the pixels, on the way from a plain grey picture to this one.",
        "Sundararajan et al. 2017, arXiv:1703.01365",
        procedure=gradients.integrated_gradients,
        signed=True,
        passes=112,
        settings=(
            Setting(
                "steps",
                "Steps",
                BY_GAP,
                0,
                1000,
                "Points on the way; 0 for as many as it takes for the shares to add up.",
            ),
        ),
        adds_up=True,
    ),
    _grains(
        "smoothgrad",
        "SmoothGrad",
        "Averages the gradient over noisy copies of the picture, which leaves what they have in common.",
        "Smilkov et al. 2017, arXiv:1706.03825",
        procedure=gradients.smooth_grad,
        passes=25,
        settings=(_samples(25), _noise(15), _SEED),
    ),
    _grains(
        "vargrad",
        "VarGrad",
        "Shows where the gradient changes most from one noisy copy of the picture to the next.",
        "Adebayo et al. 2018, arXiv:1810.03307",
        procedure=gradients.var_grad,
        passes=25,
        settings=(_samples(25, 2), _noise(15), _SEED),
    ),
    _grains(
        "gradient-shap",
        "GradientSHAP",
        "Averages gradients at random points between a plain grey picture and noisy copies of this one.",
        "Lundberg and Lee 2017, arXiv:1705.07874",
        procedure=gradients.gradient_shap,
        signed=True,
        passes=32,
        settings=(_samples(32), _noise(3), _SEED),
        adds_up=True,
    ),
    _grains(
        "guided-backprop",
        "Guided backpropagation",
        "Traces the score back through active ReLUs only, and only as far as it rises.",
        "Springenberg et al. 2014, arXiv:1412.6806",
        procedure=guided_backprop.guided_backprop,
        unavailable=compatibility.needs_relus,
    ),
    _grains(
        "deconvolution",
        "Deconvolution",
        "Traces the score back as far as it rises, whether or not a ReLU was active.",
        "Zeiler and Fergus 2013, arXiv:1311.2901",
        procedure=guided_backprop.deconvolution,
        unavailable=compatibility.needs_relus,
    ),
)

_OTHERS = (
    _hidden(
        "occlusion",
        "Occlusion",
        "Covers one square after another and notes how far the class's score falls.",
        "Zeiler and Fergus 2013, arXiv:1311.2901",
        procedure=perturbation.occlusion,
        settings=(
            Setting("window", "Window in pixels", 0, 0, 2000, "Side of the square; 0 for a seventh of the picture."),
            Setting("stride", "Stride in pixels", 0, 0, 2000, "From one square to the next; 0 for side by side."),
        ),
        passes=50,
    ),
    _hidden(
        "feature-ablation",
        "Feature ablation",
        "Hides one superpixel after another and notes how far the class's score falls.",
        "Kokhlikyan et al. 2020, arXiv:2009.07896",
        procedure=perturbation.feature_ablation,
        settings=(_REGIONS,),
        passes=52,
    ),
    _hidden(
        "lime",
        "LIME",
        "Hides random superpixels many times and fits what each is worth to the class's score.",
        "Ribeiro et al. 2016, arXiv:1602.04938",
        procedure=perturbation.lime,
        settings=(_REGIONS, _samples(200, 10), _SEED),
        passes=201,
    ),
    _hidden(
        "kernel-shap",
        "KernelSHAP",
        "Estimates what each superpixel adds to the class's score over all ways to show the others.",
        "Lundberg and Lee 2017, arXiv:1705.07874",
        procedure=perturbation.kernel_shap,
        settings=(_REGIONS, _samples(200, 10), _SEED),
        passes=203,
    ),
    _grains(
        "deep-lift",
        "DeepLift",
        "Hands the score's rise above that of a plain grey picture back, in the shares in which each part rose.",
        "Shrikumar et al. 2017, arXiv:1704.02685",
        procedure=deeplift_lrp.deep_lift,
        signed=True,
        passes=2,
        family="relevance",
        unavailable=compatibility.needs_sums,
        served_by="own",
    ),
    _grains(
        "lrp",
        "LRP",
        "Hands the class's score back layer by layer, to each input in the share it had in it.",
        "Bach et al. 2015, PLOS ONE 10(7), e0130140",
        procedure=deeplift_lrp.layer_wise_relevance,
        signed=True,
        passes=3,
        family="relevance",
        unavailable=compatibility.needs_chain,
        settings=(Setting("gamma", "Gamma in %", 25, 0, 100, "How much more positive weights count; 0 for none."),),
    ),
    Method(
        "attention-rollout",
        "Attention rollout",
        "Follows through all layers who looks at whom, back to the patches; no class is asked for.",
        "Abnar and Zuidema 2020, arXiv:2005.00928",
        family="attention",
        unavailable=compatibility.needs_attention,
        procedure=attention_rollout.attention_rollout,
        follows_class=False,
    ),
    Method(
        "gradient-rollout",
        "Gradient rollout",
        "Follows attention through all layers as far as it raises the class's score.",
        "Chefer et al. 2021, arXiv:2103.15679",
        family="attention",
        unavailable=compatibility.needs_attention,
        procedure=attention_rollout.gradient_rollout,
        passes=2,
    ),
    _cam(
        "random-cam",
        "Random-CAM",
        "Weighs a layer's feature maps by chance: a map that looks no better than this says nothing.",
        "A baseline; compare Adebayo et al. 2018, arXiv:1810.03292",
        procedure=score_cam.random_cam,
        settings=(_SEED,),
        passes=1,
        family="baseline",
        follows_class=False,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({row.id: row for row in (*_CAMS, *_GRADIENTS, *_OTHERS)})
"""Every method by its id, in the order to be offered."""
