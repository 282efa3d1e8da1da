"""The paper's figures, one a module: each has `draw(config, sources)`, which returns a matplotlib figure and reads
nothing but finished files.

    udd figures                     # by hand: all that params.yaml asks for and whose files are there
    udd figures gallery spread      # some
    udd figures --config FIGURE_JSON --results results --root DIR --out X.png X.pdf   # as the workflow does

utilization: accuracy against mUE (Fig. 7). spread: mUE of normal samples (Fig. 8). maps: activation maps and chosen
windows (Figs. 2, 3, 9). features: t-SNE of features (Fig. 5). gallery: synthetic beside real images (Figs. 6, 10, 11).
curves, schedule: losses, accuracy over the iterations. The same files give the same bytes.
"""
