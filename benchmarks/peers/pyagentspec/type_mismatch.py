from pyagentspec.flows.flowbuilder import FlowBuilder
from pyagentspec.flows.nodes import ToolNode
from pyagentspec.property import IntegerProperty, ListProperty, StringProperty
from pyagentspec.tools import ServerTool

QUERY, TEXT, LOUD = (StringProperty(title=title) for title in ("query", "text", "loud"))
WORDS = ListProperty(title="words", item_type=StringProperty(title="word"))
NUMBER = IntegerProperty(title="number")
shout = ServerTool(name="shout", inputs=[TEXT], outputs=[LOUD])
count = ServerTool(name="count", inputs=[WORDS], outputs=[NUMBER])

flow = FlowBuilder()
flow.add_sequence([ToolNode(name="shout", tool=shout), ToolNode(name="count", tool=count)])
flow.set_entry_point("shout", inputs=[QUERY])
flow.set_finish_points("count", outputs=[NUMBER])
flow.add_data_edge("StartNode", "shout", ("query", "text"))
flow.add_data_edge("shout", "count", ("loud", "words"))  # the defect
flow.add_data_edge("count", "EndNode_1", "number")
flow.build()
