// bitsandbytes as transformers saves it. 4 bits: `weight` holds two codes to a byte, the first one in
// the high nibble, over the flattened row-major matrix; `weight.quant_map` the 16 values,
// `weight.absmax` the blocks' scales (with double quantisation 8-bit codes into
// `weight.nested_quant_map`, scaled by `weight.nested_absmax`), and a JSON text in
// `weight.quant_state.*` the rest (bitsandbytes/functional.py, QuantState). 8 bits: `weight` int8 and
// `SCB` the rows' scales; what LLM.int8 does with outliers among the activations is not reproduced.

import CKernels
import JSON
import Quantization

struct BitsAndBytesCheckpoint: QuantizedMatrices {
  let preferredScheme: QuantizationScheme

  /// nf4 is kept; of fp4 and int8, int8 loses least.
  init(_ file: ConfigurationFile) throws(ModelError) {
    let isNF4 = try file.string("bnb_4bit_quant_type") == "nf4"
    preferredScheme = try file.bool("load_in_4bit") == true && isNF4 ? .nf4 : .int8
  }

  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
  {
    for type in ["nf4", "fp4"] where tensors[Self.stateName(name, type)] != nil {
      return try FourBitElements(
        name: name, type: type, rows: rows, columns: columns, tensors: tensors)
    }
    let scales = stem(name) + ".SCB"
    guard tensors[scales] != nil else { return nil }
    let format = stem(name) + ".weight_format"
    if let layout = tensors[format], layout.withBytes({ $0.contains { $0 != 0 } }) {
      throw .unloadableTensor(name: format, reason: "only int8 weights in rows are read")
    }
    return RowScaledElements(
      codes: try tensors.required(name, shape: [rows, columns], .int8), columns: columns,
      scales: try tensors.floats(scales, shape: [rows]))
  }

  static func stateName(_ name: String, _ type: String) -> String {
    name + ".quant_state.bitsandbytes__" + type
  }
}

/// int8 with a scale per row: value = code * scale / 127, rounded where bitsandbytes rounds.
private struct RowScaledElements: QuantizedElements {
  let exactFormat: WeightFormat? = nil
  let typeName = "int8"
  let codes: StoredTensor
  let columns: Int
  let scales: [Float]

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    codes.withBytes { bytes in
      for element in elements {
        let code = Int8(bitPattern: bytes[element])
        output[element - elements.lowerBound] =
          Float(code) * scales[element / columns] * 7.874015718698502e-3
      }
    }
  }

  func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    preconditionFailure("no format holds these codes")
  }
}
