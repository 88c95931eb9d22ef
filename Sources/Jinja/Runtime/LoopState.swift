// The `loop` variable inside a for loop.

final class LoopState {
  let items: [Value]
  var index0 = 0
  private let depth0: Int
  private var lastChanged: [Value]?

  init(items: [Value], depth0: Int) {
    self.items = items
    self.depth0 = depth0
  }

  func attribute(_ name: String) -> Value? {
    switch name {
    case "index": .integer(index0 + 1)
    case "index0": .integer(index0)
    case "revindex": .integer(items.count - index0)
    case "revindex0": .integer(items.count - index0 - 1)
    case "first": .bool(index0 == 0)
    case "last": .bool(index0 == items.count - 1)
    case "length": .integer(items.count)
    case "depth": .integer(depth0 + 1)
    case "depth0": .integer(depth0)
    case "previtem": index0 > 0 ? items[index0 - 1] : .undefined("there is no previous item")
    case "nextitem":
      index0 + 1 < items.count ? items[index0 + 1] : .undefined("there is no next item")
    case "cycle": .function(Function("cycle", cycle))
    case "changed": .function(Function("changed", changed))
    default: nil
    }
  }

  private func cycle(
    _ arguments: CallArguments, _: Interpreter
  ) throws(JinjaError) -> Value {
    let choices = arguments.positional
    guard !choices.isEmpty else { throw .runtime("no items for cycling given") }
    return choices[index0 % choices.count]
  }

  private func changed(
    _ arguments: CallArguments, _: Interpreter
  ) throws(JinjaError) -> Value {
    let values = arguments.positional
    let isSame = lastChanged?.elementsEqual(values) { $0.isEqual(to: $1) } ?? false
    lastChanged = values
    return .bool(!isSame)
  }
}
