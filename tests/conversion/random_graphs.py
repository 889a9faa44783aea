"""Makes graphs in ComfyUI's page by the page's own means: random nodes, values, links, modes and subgraphs."""

RANDOM_GRAPH = """async ([seed, count]) => {
    let state = seed * 7919 + 1;
    const chance = () => {
        state = (state * 1103515245 + 12345) % 2147483648;
        return state / 2147483648;
    };
    const any = (list) => list[Math.floor(chance() * list.length)];
    const { app, LiteGraph } = window;
    const drawn = /LOAD_3D|WEBCAM|AUDIO_RECORD/;
    const kinds = Object.entries(LiteGraph.registered_node_types)
        .filter(([name, { nodeData }]) => name === nodeData?.name && !/^[0-9a-f-]{36}$/.test(name))
        .filter(([, { nodeData }]) => nodeData.python_module && !drawn.test(JSON.stringify(nodeData.input ?? {})))
        .map(([name]) => name);
    const value = (widget) => {
        const { min = 0, max = 100, values } = widget.options ?? {};
        switch (widget.type) {
            case "number": case "slider": case "knob":
                return Math.round(Math.max(min, -1000) + chance() * (Math.min(max, 1000) - Math.max(min, -1000)));
            case "combo": return Array.isArray(values) && values.length ? any(values) : widget.value;
            case "toggle": return chance() < 0.5;
            case "text": case "string": case "customtext": return "text " + Math.floor(chance() * 1000);
        }
        return widget.value;
    };
    await app.loadGraphData({ nodes: [], links: [], version: 0.4 });
    const graph = app.graph;
    for (let made = 0; made < count; made++) {
        const node = LiteGraph.createNode(any(kinds));
        if (!node) continue;
        graph.add(node);
        for (let at = 0; at < (node.widgets?.length ?? 0) && at < 100; at++) {
            const widget = node.widgets[at];
            if (chance() < 0.7) widget.value = value(widget);
        }
        if (chance() < 0.2) node.mode = any([2, 4, 4]);
        const others = graph.nodes.filter((other) => other !== node && other.outputs?.length);
        for (let slot = 0; slot < node.inputs.length && slot < 40; slot++) {
            const fitting = others.flatMap((other) => other.outputs.flatMap((output, number) =>
                LiteGraph.isValidConnection(output.type, node.inputs[slot].type) ? [[other, number]] : []));
            if (fitting.length && chance() < 0.5) {
                const [other, number] = any(fitting);
                other.connect(number, node, slot);
            }
        }
    }
    const inside = graph.nodes.filter(() => chance() < 0.3);
    if (inside.length > 1 && chance() < 0.6) graph.convertToSubgraph(new Set(inside));
    return JSON.stringify(graph.serialize());
}"""
