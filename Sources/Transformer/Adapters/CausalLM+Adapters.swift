// Loading an adapter for a model that is in memory: matrices packed for the kernels in the type that
// they are stored in, DoRA's norms worked out once. Refuses what can be merged but not applied to some
// rows of a batch: norms trained in full.

import Compute

extension CausalLM {
  /// Reads a PEFT adapter for this model.
  /// - Parameter directory: as peft's save_pretrained wrote it
  package func loadAdapter(directory: String) throws(ModelError) -> Adapter {
    let contents = try AdapterContents(
      directory: directory, configuration: AdapterConfiguration(directory: directory),
      modules: modules.adaptable, promptWidth: configuration.hiddenSize,
      prefixWidth: configuration.layerCount * 2 * configuration.keyValueWidth)
    return try AdapterBuilder(contents: contents, modules: modules, pool: pool)
      .adapter(configuration)
  }
}

/// The parts of a model that adapters change, by their names in transformers.
struct ModelModules: Sendable {
  var linears: [String: Linear] = [:]
  var embedding = ""
  var embeddingMatrix: WeightMatrix?
  var head = ""
  /// Norms, by their width.
  var norms: [String: Int] = [:]

  var adaptable: [String: AdaptableModule] {
    var result = linears.mapValues {
      AdaptableModule(
        kind: .linear, shape: [$0.weight.rows, $0.weight.columns], hasBias: $0.bias != nil)
    }
    result[head]?.kind = .head
    if let matrix = embeddingMatrix {
      result[embedding] = AdaptableModule(kind: .embedding, shape: [matrix.rows, matrix.columns])
    }
    for (name, width) in norms { result[name] = AdaptableModule(kind: .norm, shape: [width]) }
    return result
  }
}

/// Turns an adapter's contents into what a forward pass applies.
private struct AdapterBuilder {
  let contents: AdapterContents
  let modules: ModelModules
  let pool: ThreadPool

  func adapter(_ configuration: CausalLMConfiguration) throws(ModelError) -> Adapter {
    var linears: [ObjectIdentifier: LinearAdaptation] = [:]
    var embedding: EmbeddingAdaptation?
    for (name, change) in contents.changes.sorted(by: { $0.key < $1.key }) {
      try refuseTies(name)
      if let linear = modules.linears[name] {
        linears[ObjectIdentifier(linear.weight)] = try adaptation(of: linear, change)
      } else if name == modules.embedding, let matrix = modules.embeddingMatrix {
        embedding = try adaptation(ofEmbedding: matrix, change)
      } else {
        throw refuse(
          "it trains \(name) in full, which can't be mixed in a batch; apply it with `martlet merge`"
        )
      }
    }
    return Adapter(
      linears: linears, embedding: embedding,
      prompt: contents.prompt.map {
        VirtualEmbeddings(values: $0.values(), width: configuration.hiddenSize)
      },
      prefix: contents.prefix.map {
        KeyValuePrefix(
          values: $0.values(), layerCount: configuration.layerCount,
          width: configuration.keyValueWidth)
      })
  }

  private func refuse(_ reason: String) -> ModelError {
    .unsuitableAdapter(path: contents.path, reason: reason)
  }

  private func refuseTies(_ name: String) throws(ModelError) {
    guard contents.tiesWeights, name == modules.embedding || name == modules.head else { return }
    throw refuse("ensure_weight_tying with weights of \(name) is not supported")
  }

  private func adaptation(of linear: Linear, _ change: ModuleChange) throws(ModelError)
    -> LinearAdaptation
  {
    var result = LinearAdaptation()
    let base = linear.weight
    if change.weight != nil || change.bias != nil {
      let weight = try change.weight.map { tensor throws(ModelError) in try matrix(tensor) }
      result.replacement = Linear(
        weight: weight ?? base, bias: change.bias?.values() ?? linear.bias)
    }
    if let lowRank = change.lowRank {
      let weight = result.replacement?.weight ?? base
      let gains = lowRank.magnitude.map { magnitude in
        let norms = LowRankDelta(lowRank, isTransposed: false)
          .rowNorms(pool: pool) { weight.dequantizeRow($0, into: $1) }
        return zip(magnitude.values(), norms).map { $0 / $1 }
      }
      let bias = lowRank.bias?.values().map { $0 * lowRank.scale }
      result.lowRank = LinearAdaptation.LowRank(
        input: Linear(weight: try matrix(lowRank.input), bias: nil),
        output: Linear(weight: try matrix(lowRank.output), bias: bias), scale: lowRank.scale,
        gains: gains)
    }
    if let scaling = change.scaling {
      let factors = scaling.factors.values()
      if scaling.multipliesInputs {
        result.inputFactors = factors
      } else {
        result.outputFactors = factors
      }
    }
    return result
  }

  private func adaptation(ofEmbedding base: WeightMatrix, _ change: ModuleChange)
    throws(ModelError) -> EmbeddingAdaptation
  {
    var result = EmbeddingAdaptation()
    result.replacement = try change.weight.map { tensor throws(ModelError) in try matrix(tensor) }
    guard let lowRank = change.lowRank else { return result }
    let weight = result.replacement ?? base
    let gains = lowRank.magnitude.map { magnitude in
      let norms = LowRankDelta(lowRank, isTransposed: true)
        .columnNorms { weight.dequantizeRow($0, into: $1) }
      return zip(magnitude.values(), norms).map { $0 / $1 }
    }
    result.lowRank = EmbeddingAdaptation.LowRank(
      rows: LowRankDelta.transposed(
        lowRank.input.values(), rows: lowRank.rank, columns: lowRank.input.shape[1]),
      rank: lowRank.rank, scale: lowRank.scale,
      output: Linear(weight: try matrix(lowRank.output), bias: nil), gains: gains)
    return result
  }

  /// In the type that it is stored in.
  private func matrix(_ tensor: CheckpointTensor) throws(ModelError) -> WeightMatrix {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    do {
      return try WeightMatrix(rows: rows, columns: columns, format: tensor.format, pool: pool) {
        tensor.read($0.lowerBound * columns..<$0.upperBound * columns, into: $1)
      }
    } catch let error as ModelError {
      throw error
    } catch {
      throw .unloadableTensor(name: tensor.name, reason: "\(error)")
    }
  }
}
