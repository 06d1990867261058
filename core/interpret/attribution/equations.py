"""What each method works out, as LaTeX: y_c is the class's score before softmax, A a layer's maps, x the picture."""

from __future__ import annotations

from collections.abc import Mapping

EQUATIONS: Mapping[str, str] = {
    "grad-cam": r"L = \mathrm{ReLU}\Big(\sum_k \alpha_k A^k\Big),\quad "
    r"\alpha_k = \frac{1}{HW}\sum_{ij}\frac{\partial y_c}{\partial A^k_{ij}}",
    "grad-cam++": r"L = \mathrm{ReLU}\Big(\sum_k \sum_{ij}\alpha^k_{ij}\,"
    r"\mathrm{ReLU}\Big(\frac{\partial y_c}{\partial A^k_{ij}}\Big) A^k\Big)",
    "hires-cam": r"L = \mathrm{ReLU}\Big(\sum_k \frac{\partial y_c}{\partial A^k}\odot A^k\Big)",
    "xgrad-cam": r"\alpha_k = \sum_{ij}\frac{A^k_{ij}}{\sum_{ab}A^k_{ab}}\,\frac{\partial y_c}{\partial A^k_{ij}}",
    "layer-cam": r"L = \mathrm{ReLU}\Big(\sum_k \mathrm{ReLU}\Big(\frac{\partial y_c}{\partial A^k}\Big)\odot A^k\Big)",
    "eigen-cam": r"A = U\Sigma V^\top,\quad L = \mathrm{ReLU}(A\,v_1)",
    "eigen-grad-cam": r"A\odot\frac{\partial y_c}{\partial A} = U\Sigma V^\top,\quad L = \mathrm{ReLU}(U\Sigma\,e_1)",
    "score-cam": r"L = \mathrm{ReLU}\Big(\sum_k w_k A^k\Big),\quad "
    r"w = \mathrm{softmax}_k\big(y_c(x\odot \hat A^k) - y_c(x)\big)",
    "ablation-cam": r"\alpha_k = y_c(A) - y_c(A\ \text{with}\ A^k = 0)",
    "smoothgrad-cam++": r"\text{Grad-CAM++ with}\quad \frac1n\sum_m \Big(\frac{\partial y_c}{\partial A}\Big)^p"
    r"(x+\varepsilon_m),\ p = 1,2,3",
    "guided-grad-cam": r"L = L_\text{Grad-CAM}\odot R_\text{guided}",
    "saliency": r"S = \max_{rgb}\Big|\frac{\partial y_c}{\partial x}\Big|",
    "input-x-gradient": r"R = x\odot\frac{\partial y_c}{\partial x}",
    "integrated-gradients": r"(x-\bar x)\odot\int_0^1\frac{\partial y_c(\bar x+t(x-\bar x))}{\partial x}\,dt",
    "smoothgrad": r"S = \Big|\frac1n\sum_m \frac{\partial y_c}{\partial x}(x+\varepsilon_m)\Big|",
    "vargrad": r"S = \mathrm{Var}_m\Big[\frac{\partial y_c}{\partial x}(x+\varepsilon_m)\Big]",
    "gradient-shap": r"R = \mathbb{E}_{t,\varepsilon}\Big[(x+\varepsilon)\odot"
    r"\frac{\partial y_c}{\partial x}\big(t\,(x+\varepsilon)\big)\Big]",
    "guided-backprop": r"R^l = \mathbf{1}[a^l>0]\;\mathbf{1}[R^{l+1}>0]\;R^{l+1}",
    "deconvolution": r"R^l = \mathbf{1}[R^{l+1}>0]\;R^{l+1}",
    "occlusion": r"y_c(x) - y_c(x\ \text{covered at}\ ij)",
    "feature-ablation": r"y_c(x) - y_c(x\ \text{without superpixel}\ s)",
    "lime": r"\min_\beta \sum_z \pi(z)\big(y_c(x_z) - \beta^\top z\big)^2 + \lVert\beta\rVert^2",
    "kernel-shap": r"\phi_s = \sum_{T\not\ni s}\frac{|T|!\,(M-|T|-1)!}{M!}\big(y_c(x_{T\cup s}) - y_c(x_T)\big)",
    "deep-lift": r"\sum_i C_{\Delta x_i} = y_c(x) - y_c(\bar x),\quad m = \frac{\Delta\,\text{out}}{\Delta\,\text{in}}",
    "lrp": r"R_i = \sum_j \frac{a_i (w_{ij}+\gamma w_{ij}^+)}{\sum_k a_k (w_{kj}+\gamma w_{kj}^+)}\,R_j",
    "attention-rollout": r"\tilde A_l = \tfrac12\bar A_l + \tfrac12 I,\quad "
    r"\tilde A_L\,\tilde A_{L-1}\cdots\tilde A_1",
    "gradient-rollout": r"R \leftarrow R + \mathbb{E}_h\big[(\nabla_c A\odot A)^+\big]\,R",
    "random-cam": r"L = \mathrm{ReLU}\Big(\sum_k u_k A^k\Big),\quad u_k\sim U(-1,1)",
}
"""Each method's by its id."""
